//! Jobs of AnalysisRuns in the caches: whom they concern, and what is known of them.

use super::fake::{FakeApi, Told, put, shell};
use crate::base::object::{Key, Kind};
use crate::controller::cached::Seen;
use crate::controller::caches::{Kick, Sync};
use crate::controller::pass::Core;
use crate::plan::analysis::{Job, JobPod};
use serde_json::{Value, json};

fn owned(name: &str, by: (&str, &str, &str, &str), status: Value) -> Value {
    let (api_version, kind, owner, uid) = by;
    json!({"metadata": {"namespace": "shop", "name": name, "uid": format!("uid-{name}"), "resourceVersion": "7",
        "ownerReferences": [{"apiVersion": api_version, "kind": kind, "name": owner, "uid": uid, "controller": true}]},
        "status": status})
}

#[tokio::test(start_paused = true)]
async fn a_job_and_its_pods_concern_the_run() {
    let (shell, _) = shell(&FakeApi::yes(), Core::default(), &Told::default());
    let caches = &shell.caches;
    let run = Kick::Run(Key::new("shop", "r"));
    let by_run = ("argoproj.io/v1alpha1", "AnalysisRun", "r", "uid-r");
    let job = Seen::<Job>::from_json(owned("j", by_run, json!({})));
    assert_eq!(caches.change(Kind::Job, job), std::slice::from_ref(&run));
    let waiting =
        json!({"containerStatuses": [{"name": "c", "state": {"waiting": {"reason": "ErrImagePull"}}}]});
    let pod = Seen::<JobPod>::from_json(owned("p", ("batch/v1", "Job", "j", "uid-j"), waiting));
    assert_eq!(caches.change(Kind::Pod, pod), [run]);
    let jobs = caches.jobs_of("uid-r").unwrap();
    assert!(jobs[0].stuck.as_ref().unwrap().contains("ErrImagePull"));
    assert_eq!((jobs.len(), &jobs[0].end), (1, &None));
    let complete = json!({"conditions": [{"type": "Complete", "status": "True"}]});
    put::<Job>(caches, Kind::Job, owned("j", by_run, complete));
    assert!(caches.jobs_of("uid-r").unwrap()[0].end.as_ref().unwrap().good);
    caches.set_sync(Kind::Job, Sync::Waiting("not permitted".into()));
    assert_eq!(caches.jobs_of("uid-r"), None);
    assert_eq!(*caches.missing().borrow(), "", "and nobody waits for it");
}
