//! Faults of notifications: G1 to G11.

use super::plot::{Dice, Made, Params, Plot};
use super::scene::subject;
use crate::base::secret::Secret;
use crate::simulate::crew::NAMESPACE;
use crate::simulate::fault::Mismail;
use serde_json::json;
use std::time::Duration;

const POST: &str = "chat.postMessage";
/// A token, and what a Secret holds of it.
const NEXT_TOKEN: &str = "xoxb-simulated-token-rotated-71c2";
const NEXT_TOKEN_ENCODED: &str = "eG94Yi1zaW11bGF0ZWQtdG9rZW4tcm90YXRlZC03MWMy";

/// A share of the calls goes so.
fn going(params: &mut Params, how: fn(&mut Dice) -> Mismail) -> Made {
    let share = params.dice.one_of(&[0.3, 0.7, 1.0]);
    Plot::new(params, (share, how))
        .on_mail(|own, _, _| {
            let (share, how) = own.is;
            own.dice.chance(share).then(|| how(&mut own.dice))
        })
        .made()
}

/// G1.
pub fn refuses(params: &mut Params) -> Made {
    going(params, |_| Mismail::Refuse)
}

/// G2.
pub fn throttles(params: &mut Params) -> Made {
    going(params, |dice| {
        let wait = dice.mostly_short(1_000, 3_600_000).as_secs();
        Mismail::Status(429, Some(Duration::from_secs(wait)))
    })
}

/// G3.
pub fn unavailable(params: &mut Params) -> Made {
    going(params, |dice| {
        Mismail::Status(dice.one_of(&[500, 502, 503]), None)
    })
}

/// G4: the message is there, and nobody says so.
pub fn answer_lost(params: &mut Params) -> Made {
    let share = params.dice.one_of(&[0.3, 0.7, 1.0]);
    Plot::new(params, share)
        .on_mail(|own, mail, _| {
            let hit = mail.method == POST && own.dice.chance(own.is);
            hit.then(|| Mismail::DeliverAndHang(own.dice.mostly_short(100, 60_000)))
        })
        .made()
}

/// G5.
pub fn not_ok(params: &mut Params) -> Made {
    going(params, |dice| {
        Mismail::Code(dice.one_of(&[
            "channel_not_found",
            "is_archived",
            "not_in_channel",
            "internal_error",
            "ratelimited",
            "fatal_error",
            "account_inactive",
        ]))
    })
}

/// G6.
pub fn slow(params: &mut Params) -> Made {
    going(params, |dice| Mismail::Delay(dice.mostly_short(1_000, 30_000)))
}

/// G7: what was made of a message is not what Slack takes.
pub fn blocks_refused(params: &mut Params) -> Made {
    going(params, |dice| {
        Mismail::Code(dice.one_of(&["invalid_blocks", "invalid_arguments", "no_text"]))
    })
}

/// G8.
pub fn too_long(params: &mut Params) -> Made {
    going(params, |_| Mismail::Code("msg_too_long"))
}

/// G9: much happens at once.
pub fn burst(params: &mut Params) -> Made {
    let times = params.dice.number(20, 120);
    Plot::new(params, times)
        .on_time(|own, hand, _| {
            let subject = subject(hand)?;
            own.is = own.is.checked_sub(1)?;
            // Ends as it began: not paused.
            let paused = own.is % 2 == 1;
            own.bites(hand, format!("paused: {paused}"));
            subject.patch(hand, "person", "", &json!({"spec": {"paused": paused}}));
            Some(own.dice.millis(20, 300))
        })
        .on_end(|_, hand, _| {
            if let Some(subject) = subject(hand) {
                subject.patch(hand, "person", "", &json!({"spec": {"paused": null}}));
            }
        })
        .made()
}

/// G10: sent, and dead before that was noted.
pub fn crash_after_sending(params: &mut Params) -> Made {
    let times = params.dice.number(1, 3);
    Plot::new(params, times)
        .on_mail(|own, mail, _| {
            if mail.method != POST || own.dice.chance(0.3) {
                return None;
            }
            own.is = own.is.checked_sub(1)?;
            Some(Mismail::DeliverAndCrash(own.dice.mostly_short(200, 30_000)))
        })
        .made()
}

/// G11: Slack takes another token from now on, and the Secret says it some time later.
pub fn token_rotated(params: &mut Params) -> Made {
    #[derive(Debug)]
    enum Token {
        Old,
        Revoked,
        New,
    }
    fn put(hand: &crate::simulate::people::Hand, encoded: &str) {
        for secret in hand.list("secrets", Some(NAMESPACE)) {
            let name = super::scene::text(&secret["metadata"]["name"]);
            let patch = json!({"data": {"token": encoded}});
            let _ = hand.patch("person", ("secrets", NAMESPACE, &name, ""), &patch);
        }
    }
    Plot::new(params, Token::Old)
        .on_time(|own, hand, _| {
            let slack = &hand.crew.around().slack;
            match own.is {
                Token::Old => {
                    own.bites(hand, "Slack takes another token");
                    slack.accept(Secret::new(NEXT_TOKEN.to_owned()));
                    own.is = Token::Revoked;
                    Some(own.dice.seconds(0, 120))
                }
                Token::Revoked => {
                    put(hand, NEXT_TOKEN_ENCODED);
                    own.is = Token::New;
                    None
                }
                Token::New => None,
            }
        })
        .on_end(|own, hand, _| {
            if matches!(own.is, Token::Revoked) {
                put(hand, NEXT_TOKEN_ENCODED);
            }
        })
        .made()
}
