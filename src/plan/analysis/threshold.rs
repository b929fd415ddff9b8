//! What the conditions of a metric demand, for people: `must be < 0.005` instead of an expression.
//!
//! Only tells; the verdict is the condition language's alone.

use crate::api::analysis::Metric;
use std::fmt;

/// What a metric's value must be, and when it fails although that does not follow.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Threshold {
    pub must: Option<Demand>,
    pub fails: Option<Demand>,
}

/// A condition: comparisons of the value with numbers, or an expression that says more.
#[derive(Clone, Debug, PartialEq)]
pub enum Demand {
    Bounds(Vec<Bound>),
    Expression(String),
}

/// One comparison of the measured value with a number.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Bound {
    pub operator: &'static str,
    pub limit: f64,
}

impl Bound {
    pub fn opposite(self) -> Self {
        let operator = match self.operator {
            "<" => ">=",
            "<=" => ">",
            ">" => "<=",
            ">=" => "<",
            "==" => "!=",
            _ => "==",
        };
        Self { operator, ..self }
    }
}

impl fmt::Display for Bound {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.operator, self.limit)
    }
}

impl fmt::Display for Demand {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Demand::Bounds(bounds) => {
                let texts: Vec<String> = bounds.iter().map(Bound::to_string).collect();
                f.write_str(&texts.join(" and "))
            }
            Demand::Expression(text) => f.write_str(text),
        }
    }
}

impl fmt::Display for Threshold {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let must = self.must.as_ref().map(|demand| match demand {
            Demand::Bounds(_) => format!("must be {demand}"),
            Demand::Expression(_) => format!("must hold {demand}"),
        });
        let fails = self.fails.as_ref().map(|demand| format!("fails if {demand}"));
        let texts: Vec<String> = must.into_iter().chain(fails).collect();
        f.write_str(&texts.join(", "))
    }
}

/// The threshold of a metric whose arguments are filled in.
pub fn threshold(metric: &Metric) -> Threshold {
    let demand = |condition: &Option<String>| {
        let text = condition
            .as_deref()
            .map(str::trim)
            .filter(|text| !text.is_empty())?;
        Some(bounds(text).map_or_else(|| Demand::Expression(text.to_owned()), Demand::Bounds))
    };
    let (must, fails) = (
        demand(&metric.success_condition),
        demand(&metric.failure_condition),
    );
    match (&must, &fails) {
        (None, Some(Demand::Bounds(bad))) if bad.len() == 1 => Threshold {
            must: Some(Demand::Bounds(vec![bad[0].opposite()])),
            fails: None,
        },
        (Some(Demand::Bounds(good)), Some(Demand::Bounds(bad)))
            if good.len() == 1 && bad.len() == 1 && good[0].opposite() == bad[0] =>
        {
            Threshold { must, fails: None }
        }
        _ => Threshold { must, fails },
    }
}

/// The comparisons of a condition that says nothing else. Parts that only demand that there is data are left out.
fn bounds(condition: &str) -> Option<Vec<Bound>> {
    let mut found = Vec::new();
    for part in condition.split("&&") {
        let part = part.split_whitespace().collect::<String>();
        if !is_guard(&part) {
            found.push(bound(&part)?);
        }
    }
    (!found.is_empty()).then_some(found)
}

fn is_guard(part: &str) -> bool {
    const GUARDS: [&str; 8] = [
        "len(result)>0",
        "len(result)!=0",
        "len(result)>=1",
        "len(result)==1",
        "!isNaN(result[0])",
        "!isInf(result[0])",
        "!isNaN(result)",
        "result!=nil",
    ];
    GUARDS.contains(&part)
}

fn bound(part: &str) -> Option<Bound> {
    const SUBJECTS: [&str; 4] = ["asFloat(result[0])", "asFloat(result)", "result[0]", "result"];
    let rest = SUBJECTS.iter().find_map(|subject| part.strip_prefix(subject))?;
    let operators = ["<=", ">=", "==", "!=", "<", ">"];
    let operator = operators
        .into_iter()
        .find(|operator| rest.starts_with(operator))?;
    let limit: f64 = rest[operator.len()..].parse().ok()?;
    limit.is_finite().then_some(Bound { operator, limit })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thresholds_read_like_a_sentence() {
        let check = |success: &str, failure: &str, want: &str| {
            let metric = Metric {
                success_condition: Some(success.into()),
                failure_condition: Some(failure.into()),
                ..Metric::default()
            };
            assert_eq!(threshold(&metric).to_string(), want, "{success} {failure}");
        };
        check("result[0] < 0.005", "", "must be < 0.005");
        check("len(result) > 0 && result[0]<=0.0050", "", "must be <= 0.005");
        check("result >= 0.9 && result <= 1.1", "", "must be >= 0.9 and <= 1.1");
        check("", "result[0] >= 0.05", "must be < 0.05");
        check("result[0] < 1", "result[0] >= 1", "must be < 1");
        check("result[0] < 1", "result[0] > 5", "must be < 1, fails if > 5");
        check("all(result, # < 1)", "", "must hold all(result, # < 1)");
        check("result[0] < NaN", "", "must hold result[0] < NaN");
        check(" ", "", "");
    }
}
