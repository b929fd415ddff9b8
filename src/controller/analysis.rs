//! One pass over one AnalysisRun: what its measurements found goes into its status, and due measurements are started.

use crate::api::analysis_run::{AnalysisRun, completed};
use crate::base::object::{Key, Kind};
use crate::controller::caches::Kick;
use crate::controller::events::Involved;
use crate::controller::pass::{Failed, Shell};
use crate::controller::queue::Next;
use crate::plan::analysis::{RunObserved, RunPlan};

pub async fn run_pass(shell: &Shell, key: &Key) -> Result<Next, Failed> {
    let subject = Kick::Run(key.clone());
    let run = match shell.caches.run(key) {
        None => return Ok(Next::Forget),
        Some(Err(broken)) => return Err(broken.into()),
        Some(Ok(run)) => run,
    };
    if let Some(next) = shell.wait_for_caches(&subject) {
        return Ok(next);
    }
    if shell.shadow.is_some() {
        // Whoever leads measures.
        return Ok(Next::OnChange);
    }
    let involved = Involved {
        kind: Kind::AnalysisRun,
        key: key.clone(),
        uid: run.metadata.uid.clone(),
        version: run.metadata.resource_version.clone(),
    };
    shell.tell_what_happened(&subject, &involved, &*run);
    if needs_no_more(&run) {
        shell.prober.drop_run(key);
    }
    let measured = shell.prober.measured(&run);
    let seen = RunObserved {
        run: AnalysisRun::clone(&run),
        finished: measured.finished,
        in_flight: measured.in_flight,
        jobs: shell.caches.jobs_of(&run.metadata.uid),
    };
    let RunPlan { plan, probes } = (shell.core.plan_run)(&seen, shell.clock.now());
    if let Some(due) = shell.memory.company_until(&subject, plan.deferrable) {
        for probe in probes {
            shell.prober.start(&run, probe);
        }
        return Ok(Next::At(due));
    }
    let next = shell.carry_out(&subject, involved, plan).await?;
    // Only now: had the write failed, the next pass would need them again.
    shell.prober.settle(key, &seen.finished);
    for probe in probes {
        shell.prober.start(&run, probe);
    }
    Ok(next)
}

/// True when no measurement of the run can matter any more.
fn needs_no_more(run: &AnalysisRun) -> bool {
    run.metadata.deleting() || run.spec.terminate || completed(&run.status.phase)
}
