//! What went wrong while talking to a cluster, in words: what failed, why, what to do, and which exit code it is.

use crate::cli::connection::say;
use crate::cli::exit::Exit;
use std::error::Error;
use std::time::Duration;

/// A command that could not do its work.
#[derive(Debug)]
pub struct Failure {
    pub exit: Exit,
    /// `failed to X: cause: cause`.
    pub text: String,
    pub hint: Option<String>,
    /// The path itself was unknown, not just the object: no CRDs, or a server that has not finished starting.
    pub unknown_kind: bool,
    /// The object is not any more as it was when it was read.
    pub conflict: bool,
}

impl Failure {
    pub fn new(exit: Exit, doing: &str, why: impl AsRef<str>) -> Self {
        let text = format!("failed to {doing}: {}", why.as_ref());
        Self {
            exit,
            text,
            hint: None,
            unknown_kind: false,
            conflict: false,
        }
    }

    pub fn hint(self, hint: impl Into<String>) -> Self {
        Self {
            hint: Some(hint.into()),
            ..self
        }
    }

    /// An answer of the API server, or the lack of one.
    pub fn of_kube(error: kube::Error, doing: &str) -> Self {
        let kube::Error::Api(status) = &error else {
            return Self::unreachable(doing, &chain(&error));
        };
        let why = match (status.message.is_empty(), status.reason.is_empty()) {
            (false, _) => status.message.clone(),
            (true, false) => status.reason.clone(),
            (true, true) => format!("the API server answered {}", status.code),
        };
        match status.code {
            404 if status
                .details
                .as_ref()
                .is_none_or(|details| details.kind.is_empty()) =>
            {
                let failure = Self::new(
                    Exit::NotFound,
                    doing,
                    "the cluster does not know this kind of object",
                );
                let failure = failure.hint("install the CRDs: kubectl apply --server-side -f crds/");
                Self {
                    unknown_kind: true,
                    ..failure
                }
            }
            404 => Self::new(Exit::NotFound, doing, why).hint("check the name and -n/--namespace"),
            401 => {
                Self::new(Exit::Failed, doing, why).hint("the cluster refused the credentials: log in again")
            }
            403 => Self::new(Exit::Failed, doing, why)
                .hint("ask for the permission, or use another --context or --user"),
            409 => Self {
                conflict: true,
                ..Self::new(Exit::Failed, doing, why)
            },
            429 | 500.. => Self::unreachable(doing, &why),
            _ => Self::new(Exit::Failed, doing, why),
        }
    }

    pub fn unreachable(doing: &str, why: &str) -> Self {
        Self::new(Exit::Unreachable, doing, why)
            .hint("check --kubeconfig and --context, and that the API server is up")
    }

    pub fn no_answer(doing: &str, waited: Duration) -> Self {
        let why = format!("the API server did not answer within {}", say(waited));
        Self::unreachable(doing, &why)
    }
}

/// The error and its causes, each said once.
pub fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let more = error.to_string();
        if !text.contains(&more) {
            text = format!("{text}: {more}");
        }
        cause = error.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use kube::core::Status;
    use serde_json::json;

    fn answer(code: u16, kind: &str) -> kube::Error {
        let answer = json!({"code": code, "message": "no", "reason": "Because", "details": {"kind": kind}});
        kube::Error::Api(serde_json::from_value::<Status>(answer).unwrap().boxed())
    }

    #[test]
    fn each_answer_of_the_api_server_has_its_exit() {
        let check = |code: u16, kind: &str, want: Exit| {
            assert_eq!(Failure::of_kube(answer(code, kind), "read").exit, want, "{code}");
        };
        check(404, "rollouts", Exit::NotFound);
        check(404, "", Exit::NotFound);
        check(401, "", Exit::Failed);
        check(403, "rollouts", Exit::Failed);
        check(409, "rollouts", Exit::Failed);
        check(422, "rollouts", Exit::Failed);
        check(429, "", Exit::Unreachable);
        check(500, "", Exit::Unreachable);
        check(503, "", Exit::Unreachable);
    }

    #[test]
    fn a_failure_says_what_why_and_what_to_do() {
        let failure = Failure::of_kube(answer(403, "rollouts"), "read rollout 'web'");
        assert_eq!(failure.text, "failed to read rollout 'web': no");
        assert!(failure.hint.is_some_and(|hint| hint.contains("permission")));
        let missing = Failure::of_kube(answer(404, ""), "read rollout 'web'");
        assert!(missing.hint.is_some_and(|hint| hint.contains("CRDs")));
    }
}
