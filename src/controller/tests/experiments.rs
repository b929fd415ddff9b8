//! Experiments that somebody creates are not carried out, and say so.

use super::fake::{FakeApi, Told, put, shell};
use crate::base::object::{Key, Kind};
use crate::controller::caches::Kick;
use crate::controller::pass::{Core, pass};
use crate::controller::queue::Next;
use crate::plan::experiment::Experiment;
use serde_json::json;
use std::sync::Arc;

#[tokio::test(start_paused = true)]
async fn an_experiment_gets_a_phase_and_a_message_on_the_main_resource() {
    let api = FakeApi::yes();
    let (shell, _) = shell(&api, Core::default(), &Told::default());
    let experiment = json!({"metadata": {"namespace": "shop", "name": "compare", "uid": "u", "resourceVersion": "7"},
        "spec": {"templates": "nobody decodes these"}});
    put::<Experiment>(&shell.caches, Kind::Experiment, experiment);
    let kick = Kick::Experiment(Key::new("shop", "compare"));
    assert!(shell.caches.all().contains(&kick));
    assert_eq!(pass(Arc::clone(&shell), kick).await, Next::OnChange);
    let asked = api.asked();
    assert_eq!(asked.len(), 1);
    assert_eq!(
        asked[0].line,
        "PATCH /apis/argoproj.io/v1alpha1/namespaces/shop/experiments/compare"
    );
    assert_eq!(asked[0].body["status"]["phase"], "Error");
    assert_eq!(asked[0].body["metadata"]["resourceVersion"], "7");
}
