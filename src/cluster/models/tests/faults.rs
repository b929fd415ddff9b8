//! Every switch bites, and lets go.

use super::*;

fn running(play: &Play) -> (usize, usize) {
    (play.pods().len(), play.ready())
}

#[tokio::test(start_paused = true)]
async fn behaviours_are_chosen_by_image_label_and_share() {
    let check = async |which: Which, want_ready: usize| {
        let mut play = Play::new();
        play.faults
            .change(|switches| switches.behaviours = vec![(which.clone(), Behaviour::NeverReady)]);
        play.make(replica_set("web-a", 4, "shop/web:1.0"));
        play.settle().await;
        assert_eq!(running(&play), (4, want_ready), "{which:?}");
        play.faults.clear();
        play.settle().await;
        assert_eq!(play.ready(), 4);
    };
    check(Which::All, 0).await;
    check(Which::Image("web:1".into()), 0).await;
    check(Which::Image("web:2".into()), 4).await;
    check(Which::Label("hash".into(), "a".into()), 0).await;
    check(Which::Owner("web-b".into()), 4).await;
    check(Which::Share(Box::new(Which::All), 1.0, 0), 0).await;
    check(Which::Share(Box::new(Which::All), 0.0, 0), 4).await;
}

#[tokio::test(start_paused = true)]
async fn pods_flap_crash_and_fail_to_pull_at_run_time() {
    let check = async |behaviour: Behaviour, seconds: f64, check: &dyn Fn(&Play) -> bool| {
        let mut play = Play::new();
        play.make(replica_set("web-a", 1, "web:good"));
        play.settle().await;
        play.faults
            .change(|switches| switches.behaviours = vec![(Which::All, behaviour.clone())]);
        let (mut ready, mut times) = (true, 0);
        for _ in 0..(seconds * 10.0) as usize {
            play.run(0.1).await;
            times += usize::from((play.ready() == 1) != ready);
            ready = play.ready() == 1;
        }
        assert!(times > 0 && check(&play), "{behaviour:?}: {times} changes");
        play.faults.clear();
        play.settle().await;
        assert_eq!(play.ready(), 1, "{behaviour:?}");
    };
    let (period, time) = (TimeDelta::seconds(2), TimeDelta::seconds(10));
    check(Behaviour::Flap { period }, 30.0, &|_| true).await;
    check(Behaviour::CrashAfter { time }, 30.0, &|play| {
        reading::restarts(&play.pods()[0].1) >= 1
    })
    .await;
    check(Behaviour::Crash, 30.0, &|play| {
        reading::restarts(&play.pods()[0].1) >= 1
    })
    .await;
    check(Behaviour::NoImage, 1.0, &|play| play.ready() == 0).await;
}

#[tokio::test(start_paused = true)]
async fn paused_controllers_do_nothing() {
    let mut play = Play::new();
    play.make(service("web", json!({"app": "web"})));
    play.faults.change(|switches| switches.replica_sets_paused = true);
    play.make(replica_set("web-a", 2, "web:good"));
    play.settle().await;
    assert_eq!(running(&play), (0, 0));
    play.faults.change(|switches| {
        switches.replica_sets_paused = false;
        switches.scheduler_paused = true;
    });
    play.settle().await;
    assert!(
        play.pods()
            .iter()
            .all(|(_, pod)| pod["spec"]["nodeName"].is_null())
    );
    play.faults.change(|switches| {
        switches.scheduler_paused = false;
        switches.endpoint_slices_paused = true;
    });
    play.settle().await;
    let slice = |play: &Play| {
        play.list("endpointslices.discovery.k8s.io").remove(0).1["endpoints"]
            .as_array()
            .map_or(0, Vec::len)
    };
    assert_eq!((running(&play), slice(&play)), ((2, 2), 0));
    play.faults.clear();
    play.settle().await;
    assert_eq!(slice(&play), 2);
}

#[tokio::test(start_paused = true)]
async fn slow_parts_are_slow() {
    let mut play = Play::new();
    play.make(service("web", json!({"app": "web"})));
    play.run(1.0).await;
    play.faults.change(|switches| {
        switches.slow_start = vec![(Which::All, TimeDelta::seconds(60))];
        switches.endpoint_slices_slower_by = TimeDelta::seconds(30);
    });
    play.make(replica_set("web-a", 1, "web:good"));
    play.run(55.0).await;
    assert_eq!(play.ready(), 0);
    play.run(20.0).await;
    assert_eq!(play.ready(), 1);
    let ready = |play: &Play| {
        play.list("endpointslices.discovery.k8s.io")[0].1["endpoints"][0]["conditions"]["ready"].clone()
    };
    assert_ne!(ready(&play), true);
    play.settle().await;
    assert_eq!(ready(&play), true);
}

#[tokio::test(start_paused = true)]
async fn stuck_pods_stay_and_frozen_ones_do_not_change() {
    let mut play = Play::new();
    play.faults
        .change(|switches| switches.stuck_terminating = vec![Which::All]);
    play.make(replica_set("web-a", 1, "web:good"));
    play.settle().await;
    play.patch("replicasets.apps", "web-a", json!({"spec": {"replicas": 0}}))
        .await;
    play.run(600.0).await;
    assert!(reading::deleting(&play.pods()[0].1));
    play.faults.change(|switches| {
        switches.stuck_terminating.clear();
        switches.kubelet_frozen = vec![Which::All];
    });
    play.patch("replicasets.apps", "web-a", json!({"spec": {"replicas": 1}}))
        .await;
    play.run(600.0).await;
    assert_eq!(
        running(&play).0,
        2,
        "neither the old one goes nor the new one starts"
    );
    assert!(
        play.pods()
            .iter()
            .any(|(_, pod)| pod["status"]["containerStatuses"].is_null())
    );
    play.faults.clear();
    play.settle().await;
    assert_eq!(running(&play), (1, 1));
}

#[tokio::test(start_paused = true)]
async fn a_lost_node_loses_its_pods_slowly() {
    let mut play = Play::new();
    play.make(replica_set("web-a", 3, "web:good"));
    play.settle().await;
    play.faults
        .change(|switches| switches.lost_nodes.extend(["node-1".to_owned()]));
    play.run(30.0).await;
    assert_eq!(running(&play), (3, 3));
    play.run(20.0).await;
    assert_eq!(running(&play), (3, 2));
    play.run(310.0).await;
    assert_eq!(running(&play), (4, 3), "replaced elsewhere, and never ended");
    play.faults.clear();
    play.settle().await;
    assert_eq!(running(&play), (3, 3));
    play.check_forms();
}

#[tokio::test(start_paused = true)]
async fn strikes_hit_the_pods_that_are_there() {
    let check = async |strike: Strike, soon: (usize, usize), later: (usize, usize)| {
        let mut play = Play::new();
        play.make(replica_set("web-a", 2, "web:good"));
        play.settle().await;
        let struck = Which::Both(
            Box::new(Which::Owner("web-a".into())),
            Box::new(Which::Name(play.pods()[0].0.clone())),
        );
        play.faults.strike(struck, strike);
        play.run(0.001).await;
        assert_eq!(running(&play), soon, "{strike:?}");
        play.check_forms();
        play.settle().await;
        assert_eq!(running(&play), later, "{strike:?}");
        play.faults.strike(Which::All, Strike::Heal);
        play.settle().await;
        assert_eq!(play.ready(), 2);
    };
    check(Strike::NotReady, (2, 1), (2, 1)).await;
    check(Strike::Evict, (2, 1), (3, 2)).await;
    check(Strike::Vanish, (1, 1), (2, 2)).await;
    check(Strike::Delete, (2, 2), (2, 2)).await;
    check(Strike::Restart, (2, 1), (2, 2)).await;
}
