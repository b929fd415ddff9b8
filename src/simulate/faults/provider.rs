//! Faults of metric providers: F1 to F22. There are no plugins and no Jobs as providers yet (F23, F24).

use super::plot::{Dice, Made, Params, Plot};
use crate::simulate::fault::Misanswer;
use crate::simulate::traffic::rate::Rate;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::Arc;

const JSON: &str = "application/json";
const HTML: &[u8] = b"<html><head><title>Sign in</title></head><body><h1>It works!</h1></body></html>";

/// A share of the queries is answered so.
fn answering(params: &mut Params, how: fn(&mut Dice) -> Misanswer) -> Made {
    let share = params.dice.one_of(&[0.3, 0.7, 1.0, 1.0]);
    Plot::new(params, (share, how))
        .on_query(|own, _, _| {
            let (share, how) = own.is;
            own.dice.chance(share).then(|| how(&mut own.dice))
        })
        .made()
}

fn say(status: u16, body: &Value) -> Misanswer {
    Misanswer::Say(status, JSON, body.to_string().into_bytes())
}

fn vector(result: &Value) -> Misanswer {
    say(
        200,
        &json!({"status": "success", "data": {"resultType": "vector", "result": result}}),
    )
}

/// F1.
pub fn refuses(params: &mut Params) -> Made {
    answering(params, |_| Misanswer::Refuse("connection refused".into()))
}

/// F2.
pub fn no_address(params: &mut Params) -> Made {
    answering(params, |_| {
        Misanswer::Refuse("dns error: failed to lookup address information: Name or service not known".into())
    })
}

/// F3.
pub fn certificate_expired(params: &mut Params) -> Made {
    answering(params, |_| {
        Misanswer::Refuse("invalid peer certificate: certificate expired".into())
    })
}

/// F4.
pub fn hangs(params: &mut Params) -> Made {
    answering(params, |_| Misanswer::Hang)
}

/// F4.
pub fn drips(params: &mut Params) -> Made {
    answering(params, |dice| Misanswer::Drip(dice.millis(300, 2_000)))
}

/// F5.
pub fn unavailable(params: &mut Params) -> Made {
    answering(params, |dice| {
        let status = dice.one_of(&[500, 502, 503, 504]);
        Misanswer::Say(status, "text/plain", b"upstream connect error".to_vec())
    })
}

/// F5.
pub fn throttles(params: &mut Params) -> Made {
    answering(params, |_| {
        Misanswer::Say(429, "text/plain", b"too many outstanding requests".to_vec())
    })
}

/// F5.
pub fn forbids(params: &mut Params) -> Made {
    answering(params, |dice| {
        Misanswer::Say(dice.one_of(&[401, 403]), "text/plain", b"Unauthorized".to_vec())
    })
}

/// F6.
pub fn html(params: &mut Params) -> Made {
    answering(params, |_| Misanswer::Say(200, "text/html", HTML.to_vec()))
}

/// F7.
pub fn error_in_200(params: &mut Params) -> Made {
    answering(params, |_| {
        let body = json!({"status": "error", "errorType": "timeout", "error": "query timed out in expression evaluation"});
        say(200, &body)
    })
}

/// F8.
pub fn empty(params: &mut Params) -> Made {
    answering(params, |_| vector(&json!([])))
}

/// F9.
pub fn not_a_number(params: &mut Params) -> Made {
    answering(params, |_| Misanswer::Value("NaN".into()))
}

/// F10.
pub fn infinite(params: &mut Params) -> Made {
    answering(params, |dice| {
        Misanswer::Value(dice.one_of(&["+Inf", "-Inf"]).into())
    })
}

/// Changes the answer as JSON; another answer stays as it is.
fn edited(truth: &str, edit: fn(&mut Value)) -> String {
    let Ok(mut answer) = serde_json::from_str::<Value>(truth) else {
        return truth.to_owned();
    };
    edit(&mut answer);
    answer.to_string()
}

/// F11: a series per pod where one was expected.
pub fn many_series(params: &mut Params) -> Made {
    answering(params, |_| {
        Misanswer::Rewrite(|truth| {
            edited(truth, |answer| {
                let sample =
                    |pod: &str, value: &str| json!({"metric": {"pod": pod}, "value": [1_767_607_200, value]});
                let values = ["0", "0.2", "NaN", "1", "0.001"];
                let all = values.iter().enumerate();
                answer["data"] = json!({"resultType": "vector",
                    "result": all.map(|(n, value)| sample(&format!("pod-{n}"), value)).collect::<Value>()});
            })
        })
    })
}

/// F12.
pub fn text_for_number(params: &mut Params) -> Made {
    answering(params, |dice| {
        Misanswer::Value(dice.one_of(&["abc", "", "null", "0,5", "1e999x"]).into())
    })
}

/// F13: samples from an hour ago.
pub fn stale(params: &mut Params) -> Made {
    answering(params, |_| {
        Misanswer::Rewrite(|truth| {
            edited(truth, |answer| {
                let samples = answer["data"]["result"].as_array_mut().into_iter().flatten();
                for sample in samples {
                    let at = sample["value"][0].as_f64().unwrap_or_default();
                    sample["value"][0] = json!(at - 3_600.0);
                }
            })
        })
    })
}

/// F14.
pub fn endless(params: &mut Params) -> Made {
    answering(params, |_| Misanswer::Endless)
}

/// F14: larger than anything that is read.
pub fn huge(params: &mut Params) -> Made {
    answering(params, |_| {
        let mut body = br#"{"status":"success","data":{"resultType":"vector","result":["#.to_vec();
        body.resize(6 * 1024 * 1024, b' ');
        Misanswer::Say(200, JSON, body)
    })
}

/// F15: small on the wire, and nothing that was asked for.
pub fn compressed(params: &mut Params) -> Made {
    answering(params, |_| {
        // The beginning of a gzip stream, and zeros as a bomb is made of.
        let mut body = vec![0x1f, 0x8b, 0x08, 0, 0, 0, 0, 0, 0, 0xff];
        body.resize(64 * 1024, 0);
        Misanswer::Say(200, JSON, body)
    })
}

/// F16.
pub fn truncated(params: &mut Params) -> Made {
    answering(params, |dice| match dice.chance(0.5) {
        true => Misanswer::Truncate,
        false => Misanswer::Rewrite(|truth| {
            let mut half = truth.to_owned();
            half.truncate(truth.len() / 2);
            half
        }),
    })
}

/// F17.
pub fn redirects(params: &mut Params) -> Made {
    answering(params, |dice| {
        let to = dice.one_of(&[
            "http://169.254.169.254/latest/meta-data/iam/security-credentials/",
            "file:///var/run/secrets/kubernetes.io/serviceaccount/token",
            "https://kubernetes.default.svc/api/v1/secrets",
            "gopher://127.0.0.1:6379/_INFO",
        ]);
        Misanswer::Redirect(to.into())
    })
}

/// F18.
pub fn warnings(params: &mut Params) -> Made {
    answering(params, |_| {
        Misanswer::Rewrite(|truth| {
            edited(truth, |answer| {
                answer["warnings"] = json!(["fetch series for {env=\"eu\"}: connection refused"]);
                answer["infos"] = json!(["PromQL info: metric might not be a counter"]);
            })
        })
    })
}

/// F19: now this side of the threshold, now that.
pub fn oscillates(params: &mut Params) -> Made {
    answering(params, |dice| {
        Misanswer::Value(
            dice.one_of(&["0", "0.0099", "0.0101", "0.5", "0.9899", "0.9901", "1"])
                .into(),
        )
    })
}

/// F20: nobody uses the service for a while.
pub fn no_traffic(params: &mut Params) -> Made {
    Plot::new(params, BTreeMap::<u64, Rate>::new())
        .on_time(|own, hand, _| {
            own.bites(hand, "no more requests of users");
            let world = hand.cluster.world();
            hand.stage.flow(&world.store, &[]);
            drop(world);
            let mut state = hand.stage.state();
            own.is = state
                .traffic
                .loads()
                .map(|(id, load)| (id, load.rate.clone()))
                .collect();
            for id in own.is.keys() {
                state.traffic.set_rate(*id, Rate::Constant(0.0));
            }
            None
        })
        .on_end(|own, hand, _| {
            let world = hand.cluster.world();
            hand.stage.flow(&world.store, &[]);
            drop(world);
            let mut state = hand.stage.state();
            for (id, rate) in std::mem::take(&mut own.is) {
                state.traffic.set_rate(id, rate);
            }
        })
        .made()
}

/// F21: an answer takes longer than the interval.
pub fn late(params: &mut Params) -> Made {
    answering(params, |dice| Misanswer::Delay(dice.mostly_short(500, 120_000)))
}

/// F22: one of the two Prometheus behind the address knows nothing yet.
pub fn replicas_differ(params: &mut Params) -> Made {
    Plot::new(params, false)
        .on_query(|own, _, _| {
            own.is = !own.is;
            own.is.then(|| vector(&json!([])))
        })
        .made()
}

/// As one replica of the controller sees it: only its way to the provider is broken.
pub fn unreachable_for_one(params: &mut Params) -> Made {
    Plot::new(params, None::<Arc<str>>)
        .on_time(|own, hand, _| {
            own.is = super::scene::leader(hand);
            None
        })
        .on_query(|own, query, _| {
            let cut = own.is.as_deref() == Some(query.replica);
            cut.then(|| Misanswer::Refuse("no route to host".into()))
        })
        .made()
}
