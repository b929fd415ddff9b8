//! Which functions there are. What they do is in [`super::eval`].

use super::query::Kind;

#[derive(Clone, Copy, Debug)]
pub enum Function {
    /// A number to a number, for each series.
    Math(fn(f64) -> f64),
    /// A window of samples to a number, for each series.
    OverTime(OverTime),
    Round,
    Clamp,
    ClampMin,
    ClampMax,
    Absent,
    AbsentOverTime,
    Scalar,
    Vector,
    Time,
    Timestamp,
    Pi,
    LabelReplace,
    LabelJoin,
    HistogramQuantile,
    Sort,
    SortDesc,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OverTime {
    Rate,
    Increase,
    Delta,
    Irate,
    Idelta,
    Deriv,
    PredictLinear,
    Avg,
    Min,
    Max,
    Sum,
    Count,
    Last,
    Present,
    Quantile,
    Stddev,
    Stdvar,
    Changes,
    Resets,
}

impl Function {
    pub(super) fn named(name: &str) -> Option<Self> {
        Some(match name {
            "round" => Self::Round,
            "clamp" => Self::Clamp,
            "clamp_min" => Self::ClampMin,
            "clamp_max" => Self::ClampMax,
            "absent" => Self::Absent,
            "absent_over_time" => Self::AbsentOverTime,
            "scalar" => Self::Scalar,
            "vector" => Self::Vector,
            "time" => Self::Time,
            "timestamp" => Self::Timestamp,
            "pi" => Self::Pi,
            "label_replace" => Self::LabelReplace,
            "label_join" => Self::LabelJoin,
            "histogram_quantile" => Self::HistogramQuantile,
            "sort" => Self::Sort,
            "sort_desc" => Self::SortDesc,
            _ => return math(name).map(Self::Math).or(over_time(name).map(Self::OverTime)),
        })
    }

    pub(super) fn kind(self) -> Kind {
        match self {
            Self::Scalar | Self::Time | Self::Pi => Kind::Scalar,
            _ => Kind::Vector,
        }
    }
}

fn math(name: &str) -> Option<fn(f64) -> f64> {
    Some(match name {
        "abs" => f64::abs,
        "ceil" => f64::ceil,
        "floor" => f64::floor,
        "exp" => f64::exp,
        "ln" => f64::ln,
        "log2" => f64::log2,
        "log10" => f64::log10,
        "sqrt" => f64::sqrt,
        "sgn" => |value| match value {
            value if value > 0.0 => 1.0,
            value if value < 0.0 => -1.0,
            value => value,
        },
        _ => return None,
    })
}

fn over_time(name: &str) -> Option<OverTime> {
    Some(match name {
        "rate" => OverTime::Rate,
        "increase" => OverTime::Increase,
        "delta" => OverTime::Delta,
        "irate" => OverTime::Irate,
        "idelta" => OverTime::Idelta,
        "deriv" => OverTime::Deriv,
        "predict_linear" => OverTime::PredictLinear,
        "avg_over_time" => OverTime::Avg,
        "min_over_time" => OverTime::Min,
        "max_over_time" => OverTime::Max,
        "sum_over_time" => OverTime::Sum,
        "count_over_time" => OverTime::Count,
        "last_over_time" => OverTime::Last,
        "present_over_time" => OverTime::Present,
        "quantile_over_time" => OverTime::Quantile,
        "stddev_over_time" => OverTime::Stddev,
        "stdvar_over_time" => OverTime::Stdvar,
        "changes" => OverTime::Changes,
        "resets" => OverTime::Resets,
        _ => return None,
    })
}
