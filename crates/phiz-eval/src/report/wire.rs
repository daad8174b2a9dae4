//! How a figure stands in JSON: `"value"` is a number, or null with a `"reason"` beside it.
//!
//! Version 1 of the format had an object there (`{"number": 0.5}`); it is still read.

use super::{Better, IntervalFrom, Unit};
use crate::bootstrap::{Interval, Replicates};
use serde::{Deserialize, Serialize};

#[derive(Serialize, Deserialize)]
pub(super) struct Figure {
    id: String,
    name: String,
    #[serde(default)]
    value: Option<Value>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    too_few: Option<TooFew>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    trials: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    interval: Option<Interval>,
    #[serde(default, skip_serializing_if = "is_rounds")]
    interval_from: IntervalFrom,
    unit: Unit,
    better: Better,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    rounds: Replicates,
}

fn is_rounds(from: &IntervalFrom) -> bool {
    *from == IntervalFrom::Rounds
}

#[derive(Serialize, Deserialize)]
struct TooFew {
    have: u64,
    needed: u64,
}

#[derive(Serialize, Deserialize)]
#[serde(untagged)]
enum Value {
    Number(f64),
    First(First),
}

/// Version 1.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum First {
    Number(f64),
    TooFew(TooFew),
    Undefined(String),
}

impl From<super::Figure> for Figure {
    fn from(figure: super::Figure) -> Self {
        let too_few = match figure.value {
            super::Value::TooFew { have, needed } => Some(TooFew { have, needed }),
            _ => None,
        };
        Self {
            value: figure.value.known().map(Value::Number),
            reason: figure.value.reason(),
            too_few,
            id: figure.id,
            name: figure.name,
            trials: figure.trials,
            interval: figure.interval,
            interval_from: figure.interval_from,
            unit: figure.unit,
            better: figure.better,
            rounds: figure.rounds,
        }
    }
}

impl From<Figure> for super::Figure {
    fn from(figure: Figure) -> Self {
        let value = match (figure.value, figure.too_few) {
            (Some(Value::Number(n) | Value::First(First::Number(n))), _) => super::Value::number(n),
            (Some(Value::First(First::TooFew(few))), _) | (None, Some(few)) => {
                super::Value::TooFew { have: few.have, needed: few.needed }
            }
            (Some(Value::First(First::Undefined(reason))), _) => super::Value::Undefined(reason),
            (None, None) => {
                super::Value::Undefined(figure.reason.unwrap_or_else(|| "no reason is given".into()))
            }
        };
        Self {
            id: figure.id,
            name: figure.name,
            value,
            interval: figure.interval,
            interval_from: figure.interval_from,
            trials: figure.trials,
            unit: figure.unit,
            better: figure.better,
            rounds: figure.rounds,
        }
    }
}
