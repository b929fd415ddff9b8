//! One pass over one Experiment: it is told that this version carries none out, once per change of it.

use crate::base::object::{Key, Kind};
use crate::controller::caches::Kick;
use crate::controller::events::Involved;
use crate::controller::pass::{Failed, Shell};
use crate::controller::queue::Next;
use crate::plan::experiment::plan_experiment;

pub async fn experiment_pass(shell: &Shell, key: &Key) -> Result<Next, Failed> {
    let subject = Kick::Experiment(key.clone());
    let experiment = match shell.caches.experiment(key) {
        None => return Ok(Next::Forget),
        Some(Err(broken)) => return Err(broken.into()),
        Some(Ok(experiment)) => experiment,
    };
    if let Some(next) = shell.wait_for_caches(&subject) {
        return Ok(next);
    }
    let involved = Involved {
        kind: Kind::Experiment,
        key: key.clone(),
        uid: experiment.metadata.uid.clone(),
        version: experiment.metadata.resource_version.clone(),
    };
    shell.tell_what_happened(&subject, &involved, &*experiment);
    shell
        .carry_out(&subject, involved, plan_experiment(&experiment))
        .await?;
    Ok(Next::OnChange)
}
