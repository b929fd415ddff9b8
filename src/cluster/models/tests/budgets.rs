//! Disruption budgets and evictions.

use super::*;

const BUDGETS: &str = "poddisruptionbudgets.policy";

fn budget(spec: Value) -> Value {
    let mut budget = json!({"apiVersion": "policy/v1", "kind": "PodDisruptionBudget", "metadata": {"name": "keep"},
        "spec": spec});
    budget["spec"]["selector"] = json!({"matchLabels": {"app": "web"}});
    budget
}

async fn evict(play: &Play, pod: &str) -> (u16, Value) {
    let path = format!("{}/eviction", play.path("pods", pod));
    let body = json!({"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": pod}});
    play.ask("POST", &path, body, "application/json").await
}

#[tokio::test(start_paused = true)]
async fn evictions_wait_for_the_disruption_budget() {
    let mut play = Play::new();
    play.make(budget(json!({"minAvailable": 2})));
    play.make(replica_set("web-a", 3, "web:good"));
    play.settle().await;
    let names: Vec<String> = play.pods().into_iter().map(|(name, _)| name).collect();
    let (code, _) = evict(&play, &names[0]).await;
    assert_eq!(code, 201);
    let (code, told) = evict(&play, &names[1]).await;
    assert_eq!(
        (code, &told["reason"]),
        (429, &json!("TooManyRequests")),
        "{told}"
    );
    play.run(0.2).await;
    let told = evict(&play, &names[1]).await.1;
    assert_eq!(
        told["details"]["causes"][0]["message"],
        "The disruption budget keep needs 2 healthy pods and has 2 currently"
    );
    play.settle().await;
    assert_eq!(evict(&play, &names[1]).await.0, 201, "the first one is replaced");
    play.check_forms();
}

#[tokio::test(start_paused = true)]
async fn a_budget_counts_what_its_controllers_want() {
    let check = async |spec: Value, want: (i64, i64, i64)| {
        let mut play = Play::new();
        play.make(budget(spec.clone()));
        play.make(replica_set("web-a", 3, "web:good"));
        play.make(replica_set("web-b", 2, "web:bad"));
        play.settle().await;
        let status = &play.get(BUDGETS, "keep")["status"];
        let number = |field: &str| status[field].as_i64().unwrap();
        assert_eq!(number("currentHealthy"), 3);
        assert_eq!(
            (
                number("expectedPods"),
                number("desiredHealthy"),
                number("disruptionsAllowed")
            ),
            want,
            "{spec}"
        );
    };
    check(json!({"minAvailable": 1}), (5, 1, 2)).await;
    check(json!({"minAvailable": "50%"}), (5, 3, 0)).await;
    check(json!({"maxUnavailable": 3}), (5, 2, 1)).await;
    check(json!({"maxUnavailable": "50%"}), (5, 2, 1)).await;
}

#[tokio::test(start_paused = true)]
async fn pods_that_are_not_ready_are_evicted_while_enough_are_healthy() {
    let mut play = Play::new();
    play.make(budget(json!({"minAvailable": 2})));
    play.make(replica_set("web-a", 2, "web:good"));
    play.make(replica_set("web-b", 1, "web:bad"));
    play.settle().await;
    let bad = play
        .pods()
        .into_iter()
        .find(|(name, _)| name.starts_with("web-b"))
        .unwrap()
        .0;
    let good = play
        .pods()
        .into_iter()
        .find(|(name, _)| name.starts_with("web-a"))
        .unwrap()
        .0;
    assert_eq!(
        (evict(&play, &good).await.0, evict(&play, &bad).await.0),
        (429, 201)
    );
    play.make({
        let mut second = budget(json!({"minAvailable": 0}));
        second["metadata"]["name"] = "second".into();
        second
    });
    assert_eq!(evict(&play, &good).await.0, 500, "two budgets are not supported");
}

#[tokio::test(start_paused = true)]
async fn a_paused_disruption_controller_lets_nobody_go() {
    let mut play = Play::new();
    play.faults.change(|switches| switches.budgets_paused = true);
    play.make(budget(json!({"minAvailable": 0})));
    play.make(replica_set("web-a", 1, "web:good"));
    play.settle().await;
    let (code, told) = evict(&play, &play.pods()[0].0).await;
    assert_eq!((code, &told["details"]["retryAfterSeconds"]), (429, &json!(10)));
}

#[tokio::test(start_paused = true)]
async fn an_evicted_pod_says_why_it_goes_and_a_dry_run_takes_nothing() {
    let mut play = Play::new();
    play.make(budget(json!({"minAvailable": 0})));
    play.make(replica_set("web-a", 1, "web:good"));
    play.settle().await;
    let name = &play.pods()[0].0;
    let allowed = |play: &Play| play.get(BUDGETS, "keep")["status"]["disruptionsAllowed"].clone();
    let path = format!("{}/eviction", play.path("pods", name));
    let dry = json!({"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": name}, "deleteOptions": {"dryRun": ["All"]}});
    assert_eq!(play.ask("POST", &path, dry, "application/json").await.0, 201);
    assert_eq!(allowed(&play), 1);
    let other = json!({"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": "other"}});
    assert_eq!(play.ask("POST", &path, other, "application/json").await.0, 400);
    assert_eq!(evict(&play, name).await.0, 201);
    assert_eq!(allowed(&play), 0);
    let pod = play.get("pods", name);
    let told = reading::condition(&pod, "DisruptionTarget").unwrap();
    assert_eq!(told["reason"], "EvictionByEvictionAPI");
}

#[tokio::test(start_paused = true)]
async fn pods_that_do_not_run_are_evicted_whatever_the_budgets_say() {
    let mut play = Play::new();
    play.faults.change(|switches| switches.scheduler_paused = true);
    for name in ["keep", "second"] {
        let mut one = budget(json!({"minAvailable": 5}));
        one["metadata"]["name"] = name.into();
        play.make(one);
    }
    play.make(replica_set("web-a", 1, "web:good"));
    play.run(1.0).await;
    assert_eq!(evict(&play, &play.pods()[0].0).await.0, 201);
}
