//! Horizontal autoscalers.

use super::*;

const SCALERS: &str = "horizontalpodautoscalers.autoscaling";

fn widgets() -> Value {
    let schema = json!({"type": "object", "properties": {
        "spec": {"type": "object", "properties": {"size": {"type": "integer", "maximum": 9}}},
        "status": {"type": "object", "properties": {"n": {"type": "integer"}}}}});
    json!({"apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition", "metadata": {"name": "widgets.test.io"},
        "spec": {"group": "test.io", "scope": "Namespaced", "names": {"plural": "widgets", "kind": "Widget"}, "versions": [
            {"name": "v1", "served": true, "storage": true, "schema": {"openAPIV3Schema": schema}, "subresources": {
                "status": {}, "scale": {"specReplicasPath": ".spec.size", "statusReplicasPath": ".status.n"}}}]}})
}

fn scaler(more: Value) -> Value {
    let mut scaler = json!({"apiVersion": "autoscaling/v2", "kind": "HorizontalPodAutoscaler", "metadata": {"name": "auto"}, "spec": {
        "scaleTargetRef": {"apiVersion": "test.io/v1", "kind": "Widget", "name": "w"}, "minReplicas": 2, "maxReplicas": 12,
        "metrics": [{"type": "Resource", "resource": {"name": "cpu", "target": {"type": "Utilization", "averageUtilization": 50}}}]}});
    crate::base::json::merge_apply(&mut scaler["spec"], &more);
    scaler
}

fn play(size: i64, more: Value) -> (Play, metrics::Metrics) {
    let settings = Settings::default();
    let metrics = settings.metrics.clone();
    let play = Play::seeded(1, settings);
    play.cluster.install_crd(widgets()).unwrap();
    play.make(json!({"apiVersion": "test.io/v1", "kind": "Widget", "metadata": {"name": "w"}, "spec": {"size": size}}));
    play.make(scaler(more));
    (play, metrics)
}

fn size(play: &Play) -> i64 {
    play.get("widgets.test.io", "w")["spec"]["size"].as_i64().unwrap()
}

fn reason(play: &Play, kind: &str) -> String {
    let scaler = play.get(SCALERS, "auto");
    let reason = reading::condition(&scaler, kind).map(|one| one["reason"].as_str().unwrap().to_owned());
    reason.unwrap_or_default()
}

#[tokio::test(start_paused = true)]
async fn hpa_scales_through_the_scale_subresource() {
    let (mut play, metrics) = play(4, json!({}));
    metrics.set("default", "auto", 90.0);
    play.run(14.0).await;
    assert_eq!(size(&play), 4);
    play.run(2.0).await;
    assert_eq!(size(&play), 8, "4 × 90 / 50, rounded up");
    let object = play.get("widgets.test.io", "w");
    assert_eq!(object["metadata"]["generation"], 2);
    let status = &play.get(SCALERS, "auto")["status"];
    assert_eq!(
        (&status["currentReplicas"], &status["desiredReplicas"]),
        (&json!(4), &json!(8))
    );
    assert!(status["lastScaleTime"].is_string());
    assert_eq!(reason(&play, "AbleToScale"), "SucceededRescale");
    play.check_forms();
    // The schema of the target says no more than nine: refused as any request would be.
    play.run(60.0).await;
    assert_eq!(
        (size(&play), reason(&play, "AbleToScale")),
        (8, "FailedUpdateScale".to_owned())
    );
}

#[tokio::test(start_paused = true)]
async fn small_differences_are_tolerated_and_shrinking_waits() {
    let (mut play, metrics) = play(8, json!({}));
    metrics.set("default", "auto", 54.9);
    play.run(60.0).await;
    assert_eq!(
        (size(&play), reason(&play, "AbleToScale")),
        (8, "ReadyForNewScale".to_owned())
    );
    metrics.set("default", "auto", 10.0);
    play.run(290.0).await;
    assert_eq!(size(&play), 8);
    play.run(60.0).await;
    assert_eq!(size(&play), 2);
}

#[tokio::test(start_paused = true)]
async fn growth_keeps_to_its_policies() {
    let rules =
        json!({"behavior": {"scaleUp": {"policies": [{"type": "Pods", "value": 1, "periodSeconds": 60}]}}});
    let (mut play, metrics) = play(2, rules);
    metrics.set("default", "auto", 500.0);
    play.run(50.0).await;
    assert_eq!(
        (size(&play), reason(&play, "ScalingLimited")),
        (3, "ScaleUpLimit".to_owned())
    );
    play.run(60.0).await;
    assert_eq!(size(&play), 4);
}

#[tokio::test(start_paused = true)]
async fn without_a_behaviour_growth_doubles_at_most() {
    let (mut play, metrics) = play(2, json!({"maxReplicas": 9}));
    metrics.set("default", "auto", 500.0);
    play.run(16.0).await;
    assert_eq!(
        (size(&play), reason(&play, "ScalingLimited")),
        (4, "ScaleUpLimit".to_owned())
    );
    play.run(30.0).await;
    assert_eq!(
        (size(&play), reason(&play, "ScalingLimited")),
        (9, "TooManyReplicas".to_owned())
    );
}

#[tokio::test(start_paused = true)]
async fn a_percentage_of_shrinking_is_cut_off_not_rounded() {
    let rules = json!({"behavior": {"scaleDown": {"stabilizationWindowSeconds": 0,
        "policies": [{"type": "Percent", "value": 10, "periodSeconds": 60}]}}});
    let (mut play, metrics) = play(8, rules);
    metrics.set("default", "auto", 5.0);
    play.run(16.0).await;
    assert_eq!(
        (size(&play), reason(&play, "ScalingLimited")),
        (7, "ScaleDownLimit".to_owned()),
        "8 less 10 % is 7.2"
    );
    play.run(30.0).await;
    assert_eq!(size(&play), 7, "until the period has passed");
}

#[tokio::test(start_paused = true)]
async fn what_was_added_within_a_period_may_be_taken_away_again() {
    let rule = json!({"stabilizationWindowSeconds": 0, "policies": [{"type": "Pods", "value": 2, "periodSeconds": 60}]});
    let (mut play, metrics) = play(4, json!({"behavior": {"scaleUp": rule, "scaleDown": rule}}));
    metrics.set("default", "auto", 500.0);
    play.run(16.0).await;
    assert_eq!(size(&play), 6);
    metrics.set("default", "auto", 1.0);
    play.run(15.0).await;
    assert_eq!(
        size(&play),
        2,
        "two less than the four it had when the period began"
    );
}

#[tokio::test(start_paused = true)]
async fn without_a_metric_or_a_target_or_replicas_nothing_is_scaled() {
    let (mut play, metrics) = play(4, json!({}));
    play.run(20.0).await;
    assert_eq!(
        (size(&play), reason(&play, "ScalingActive")),
        (4, "FailedGetResourceMetric".to_owned())
    );
    metrics.set("default", "auto", 500.0);
    play.patch("widgets.test.io", "w", json!({"spec": {"size": 0}}))
        .await;
    play.run(20.0).await;
    assert_eq!(
        (size(&play), reason(&play, "ScalingActive")),
        (0, "ScalingDisabled".to_owned())
    );
    play.patch("widgets.test.io", "w", json!({"spec": {"size": 1}}))
        .await;
    play.run(10.0).await;
    assert_eq!(size(&play), 2, "at least its least");
    play.delete("widgets.test.io", "w", Value::Null).await;
    play.run(20.0).await;
    assert_eq!(reason(&play, "AbleToScale"), "FailedGetScale");
}

#[tokio::test(start_paused = true)]
async fn a_flapping_autoscaler_goes_up_and_down() {
    let (mut play, metrics) = play(4, json!({}));
    metrics.set("default", "auto", 50.0);
    play.faults.change(|switches| switches.autoscalers_flap_by = 2);
    let mut sizes = Vec::new();
    for _ in 0..4 {
        play.run(15.0).await;
        sizes.push(size(&play));
    }
    assert_eq!(sizes, [6, 4, 6, 4]);
    play.faults.change(|switches| switches.autoscalers_paused = true);
    play.run(60.0).await;
    assert_eq!(size(&play), 4);
}
