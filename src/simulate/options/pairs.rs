//! Every pair of options: the worlds in which both are used, those that are refused, and those that cannot be, with the reason.

use super::{Choice, catalogue, grounds};

/// What two options come to.
#[derive(Clone, Debug)]
pub struct Pair {
    pub one: &'static Choice,
    pub other: &'static Choice,
    pub verdict: Verdict,
}

/// Whether two options go together.
#[derive(Clone, Debug)]
pub enum Verdict {
    /// On each of these grounds.
    Runs(Vec<&'static Choice>),
    /// InvalidSpec, with this field in the message.
    Refused(&'static Choice, &'static str),
    /// Not combined, and why.
    Apart(String),
}

impl Pair {
    /// The options that are no grounds.
    pub fn choices(&self) -> Vec<&'static Choice> {
        let both = [self.one, self.other];
        both.into_iter().filter(|choice| !choice.is_ground()).collect()
    }
}

/// All pairs, in the order of the catalogue.
pub fn all() -> Vec<Pair> {
    let all = catalogue();
    let pairs = all
        .iter()
        .enumerate()
        .flat_map(|(at, one)| all[at + 1..].iter().map(move |other| (one, other)));
    let judged = |(one, other)| Pair {
        one,
        other,
        verdict: judge(one, other),
    };
    pairs.map(judged).collect()
}

fn judge(one: &'static Choice, other: &'static Choice) -> Verdict {
    if let Some(field) = one.refused.get(&other.name).or(other.refused.get(&one.name)) {
        let common = grounds().find(|ground| match one.is_ground() {
            true => ground.name == one.name,
            false => one.suits(ground) && other.suits(ground),
        });
        return match common {
            Some(ground) => Verdict::Refused(ground, field),
            None => Verdict::Apart("no way of traffic suits both".into()),
        };
    }
    if let Some(why) = why_apart(one, other) {
        return Verdict::Apart(why);
    }
    let here = |ground: &&Choice| one.suits(ground) && other.suits(ground);
    let on = match one.is_ground() {
        true => vec![one],
        false => some(grounds().filter(here).collect(), one, other),
    };
    Verdict::Runs(on)
}

/// Why two options are not combined; not what refuses them.
pub fn why_apart(one: &Choice, other: &Choice) -> Option<String> {
    if let Some(why) = one.apart.get(&other.name).or(other.apart.get(&one.name)) {
        return Some(why.clone());
    }
    if one.decides && other.decides {
        return Some("both decide how the update ends".into());
    }
    match (one.is_ground(), other.is_ground()) {
        (true, true) => Some("users come one way".into()),
        (true, false) => unsuited(one, other),
        (false, true) => unsuited(other, one),
        (false, false) => {
            let together = grounds().any(|ground| one.suits(ground) && other.suits(ground));
            let (one, other) = (one.on.join(", "), other.on.join(", "));
            (!together).then(|| format!("one is about {one}, the other about {other}"))
        }
    }
}

fn unsuited(ground: &Choice, choice: &Choice) -> Option<String> {
    (!choice.suits(ground)).then(|| format!("it is about {}", choice.on.join(", ")))
}

/// One ground of each strategy: which canary it is, the names decide, so that an option more does not change the others' worlds.
fn some(all: Vec<&'static Choice>, one: &Choice, other: &Choice) -> Vec<&'static Choice> {
    let (canary, mut some): (Vec<_>, Vec<_>) = all.into_iter().partition(|ground| ground.kind == "canary");
    let names = one.name.bytes().chain(other.name.bytes());
    let mixed = names.fold(0usize, |sum, byte| {
        sum.wrapping_mul(31).wrapping_add(usize::from(byte))
    });
    if !canary.is_empty() {
        some.insert(0, canary[mixed % canary.len()]);
    }
    some
}
