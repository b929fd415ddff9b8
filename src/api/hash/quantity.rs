//! Kubernetes quantities (`250m`, `1.5Gi`, `1e3`): reading, canonical spelling and comparison.
//!
//! The spelling rules are those of the API machinery's `resource.Quantity`, its exceptions included: some texts that are not
//! canonical are printed back as they came, because its fast path keeps the text it parsed.

use std::cmp::Ordering;
use std::fmt;

/// An amount of a resource. Equal when the amounts are, however spelled.
#[derive(Clone, Debug)]
pub struct Quantity {
    amount: Decimal,
    text: String,
}

/// `digits` times ten to the `exponent`; no digits mean zero. Neither leading nor trailing zeros.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Decimal {
    negative: bool,
    digits: String,
    exponent: i64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Family {
    Decimal,
    Exponent,
    Binary,
}

const DECIMAL_SUFFIXES: [(&str, i64); 10] = [
    ("n", -9),
    ("u", -6),
    ("m", -3),
    ("", 0),
    ("k", 3),
    ("M", 6),
    ("G", 9),
    ("T", 12),
    ("P", 15),
    ("E", 18),
];
const BINARY_SUFFIXES: [&str; 7] = ["", "Ki", "Mi", "Gi", "Ti", "Pi", "Ei"];
/// The finest amount: smaller ones are rounded away from zero to it.
const EXPONENT_MIN: i64 = -9;
/// Decimal digits that always fit the peer's 64-bit fast path.
const FAST_DIGITS_MAX: i64 = 18;

impl Quantity {
    pub fn zero() -> Self {
        Self {
            amount: Decimal::default(),
            text: "0".to_owned(),
        }
    }

    /// Reads a quantity. `None` where the API machinery refuses the text.
    pub fn parse(text: &str) -> Option<Self> {
        if text.is_empty() {
            return None;
        }
        let parts = Parts::read(text)?;
        let (family, power) = interpret(parts.suffix)?;
        let fast = parts.fast(family, power);
        if !fast && parts.no_digits {
            return None;
        }
        let amount = parts.amount(family, power, fast);
        let text = if !amount.digits.is_empty() && fast && parts.kept(family, power) {
            text.to_owned()
        } else {
            amount.spell(family)
        };
        Some(Self { amount, text })
    }

    pub fn is_negative(&self) -> bool {
        self.amount.negative && !self.amount.digits.is_empty()
    }

    /// Whether the amount is a whole number.
    pub fn is_whole(&self) -> bool {
        self.amount.exponent >= 0
    }
}

impl fmt::Display for Quantity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl PartialEq for Quantity {
    fn eq(&self, other: &Self) -> bool {
        self.partial_cmp(other) == Some(Ordering::Equal)
    }
}

impl PartialOrd for Quantity {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        let sign = |quantity: &Self| match (quantity.amount.digits.is_empty(), quantity.amount.negative) {
            (true, _) => 0,
            (false, true) => -1,
            (false, false) => 1,
        };
        let by_size = match sign(self) {
            1 => self.amount.size_cmp(&other.amount),
            -1 => other.amount.size_cmp(&self.amount),
            _ => Ordering::Equal,
        };
        Some(sign(self).cmp(&sign(other)).then(by_size))
    }
}

/// A quantity's text, taken apart.
struct Parts<'a> {
    negative: bool,
    /// Digits before the point without leading zeros, `"0"` when none are left.
    whole: &'a str,
    fraction: &'a str,
    suffix: &'a str,
    /// Neither before nor after the point was there any digit.
    no_digits: bool,
}

impl<'a> Parts<'a> {
    fn read(text: &'a str) -> Option<Self> {
        let unsigned = text.strip_prefix(['-', '+']).unwrap_or(text);
        let (whole, rest) = split_digits(unsigned);
        let (fraction, suffix) = rest.strip_prefix('.').map_or(("", rest), split_digits);
        let power = suffix.trim_start_matches(|letter| "eEinumkKMGTP".contains(letter));
        let (_, garbage) = split_digits(power.strip_prefix(['-', '+']).unwrap_or(power));
        if !garbage.is_empty() {
            return None;
        }
        let significant = whole.trim_start_matches('0');
        Some(Self {
            negative: text.starts_with('-'),
            whole: if significant.is_empty() { "0" } else { significant },
            fraction,
            suffix,
            no_digits: whole.is_empty() && fraction.is_empty(),
        })
    }

    /// The power of ten of the last digit.
    fn scale(&self, family: Family, power: i64) -> i64 {
        let base = if family == Family::Binary { 0 } else { power };
        base - self.fraction.len() as i64
    }

    /// Whether the peer computes this one in 64 bits.
    fn fast(&self, family: Family, power: i64) -> bool {
        let (whole, fraction) = (self.whole.len() as i64, self.fraction.len() as i64);
        match family {
            Family::Binary => fraction == 0 && 14 - whole - power * 3 / 10 >= 0,
            _ => FAST_DIGITS_MAX >= whole + fraction && self.scale(family, power) >= EXPONENT_MIN,
        }
    }

    /// Whether the peer's fast path takes the text for canonical and keeps it.
    fn kept(&self, family: Family, power: i64) -> bool {
        let digits = format!("{}{}", self.whole, self.fraction);
        if family == Family::Binary {
            return digits.parse::<u64>().is_ok_and(|value| value % 8 != 0);
        }
        self.scale(family, power) % 3 == 0 && !digits.ends_with("000") && !digits.starts_with('0')
    }

    fn amount(&self, family: Family, power: i64, fast: bool) -> Decimal {
        let mut digits = format!("{}{}", self.whole, self.fraction);
        if family == Family::Binary {
            for _ in 0..power {
                digits = doubled(&digits);
            }
        }
        let mut amount = Decimal::new(self.negative, &digits, self.scale(family, power));
        if fast {
            return amount;
        }
        amount.round_up();
        let max = Decimal::new(self.negative, &i64::MAX.to_string(), 0);
        if family == Family::Binary && amount.size_cmp(&max) == Ordering::Greater {
            return max;
        }
        amount
    }
}

fn split_digits(text: &str) -> (&str, &str) {
    text.split_at(
        text.find(|letter: char| !letter.is_ascii_digit())
            .unwrap_or(text.len()),
    )
}

/// The family of a suffix and its power: of ten, or of two for the binary family.
fn interpret(suffix: &str) -> Option<(Family, i64)> {
    if let Some((_, power)) = DECIMAL_SUFFIXES.iter().find(|(name, _)| *name == suffix) {
        return Some((Family::Decimal, *power));
    }
    if let Some(index) = BINARY_SUFFIXES.iter().position(|name| *name == suffix) {
        return Some((Family::Binary, index as i64 * 10));
    }
    let power: i64 = suffix.strip_prefix(['e', 'E'])?.parse().ok()?;
    // The peer cuts the exponent to 32 bits.
    Some((Family::Exponent, i64::from(power as i32)))
}

/// Twice a decimal number.
fn doubled(digits: &str) -> String {
    let mut out = Vec::with_capacity(digits.len() + 1);
    let mut carry = 0;
    for digit in digits.bytes().rev() {
        let sum = (digit - b'0') * 2 + carry;
        out.push(char::from(b'0' + sum % 10));
        carry = sum / 10;
    }
    if carry > 0 {
        out.push('1');
    }
    out.iter().rev().collect()
}

impl Decimal {
    fn new(negative: bool, digits: &str, exponent: i64) -> Self {
        let digits = digits.trim_start_matches('0');
        let kept = digits.trim_end_matches('0');
        if kept.is_empty() {
            return Self::default();
        }
        let exponent = exponent + (digits.len() - kept.len()) as i64;
        Self {
            negative,
            digits: kept.to_owned(),
            exponent,
        }
    }

    /// Rounds away from zero to the finest amount.
    fn round_up(&mut self) {
        if self.digits.is_empty() || self.exponent >= EXPONENT_MIN {
            return;
        }
        let dropped = usize::try_from(EXPONENT_MIN - self.exponent).unwrap_or(usize::MAX);
        let kept = self.digits.len().saturating_sub(dropped);
        let mut digits: Vec<u8> = self.digits.bytes().take(kept).collect();
        // The last digit is never zero, so something was cut off: one up, with the carry.
        let nines = digits.iter().rev().take_while(|digit| **digit == b'9').count();
        let stem = digits.len() - nines;
        digits[stem..].fill(b'0');
        match stem.checked_sub(1) {
            Some(last) => digits[last] += 1,
            None => digits.insert(0, b'1'),
        }
        let digits: String = digits.into_iter().map(char::from).collect();
        *self = Self::new(self.negative, &digits, EXPONENT_MIN);
    }

    /// Compares the sizes, whatever the signs.
    fn size_cmp(&self, other: &Self) -> Ordering {
        let magnitude = |decimal: &Self| {
            (
                !decimal.digits.is_empty(),
                decimal.digits.len() as i64 + decimal.exponent,
            )
        };
        magnitude(self)
            .cmp(&magnitude(other))
            .then_with(|| self.digits.cmp(&other.digits))
    }

    fn spell(&self, family: Family) -> String {
        let sign = if self.negative { "-" } else { "" };
        if self.digits.is_empty() {
            return "0".to_owned();
        }
        if let Some((number, suffix)) = (family == Family::Binary).then(|| self.binary()).flatten() {
            return format!("{sign}{number}{suffix}");
        }
        let padding = self.exponent.rem_euclid(3);
        let zeros = &"00"[..padding as usize];
        let exponent = self.exponent - padding;
        let suffix = match family {
            Family::Exponent if exponent == 0 => String::new(),
            Family::Exponent => format!("e{exponent}"),
            // An exponent beyond the suffixes prints none at all, as the peer does.
            _ => DECIMAL_SUFFIXES
                .iter()
                .find(|(_, power)| *power == exponent)
                .map_or(String::new(), |(name, _)| (*name).to_owned()),
        };
        format!("{sign}{}{zeros}{suffix}", self.digits)
    }

    /// The number and its binary suffix. `None` for fractions and for amounts below 1024, which are spelled in decimals.
    fn binary(&self) -> Option<(u64, &'static str)> {
        let zeros = usize::try_from(self.exponent).ok()?;
        if self.digits.len() + zeros > 19 {
            return None;
        }
        let mut number: u64 = format!("{}{}", self.digits, "0".repeat(zeros)).parse().ok()?;
        if number < 1024 {
            return None;
        }
        let mut index = 0;
        while number.is_multiple_of(1024) && index + 1 < BINARY_SUFFIXES.len() {
            number /= 1024;
            index += 1;
        }
        Some((number, BINARY_SUFFIXES[index]))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, want: &str) {
        let got = Quantity::parse(text).map(|quantity| quantity.to_string());
        assert_eq!(got.as_deref(), Some(want), "{text}");
    }

    #[test]
    fn quantities_print_in_canonical_form() {
        for (text, want) in [
            ("0.001", "1m"),
            ("1000m", "1"),
            ("2.5", "2500m"),
            ("1.5Gi", "1536Mi"),
            ("0.5Ki", "512"),
            ("1024Mi", "1Gi"),
            ("3000Ki", "3000Ki"),
            ("1.1Gi", "1181116006400m"),
            ("134217728", "134217728"),
            ("100k", "100k"),
            ("1e3", "1e3"),
            ("12e1", "120"),
            ("0.1n", "1n"),
            ("1.0000000009", "1000000001n"),
            ("-9.9999999999", "-10"),
            ("10Ei", "9223372036854775807"),
            ("1000E", "1"),
            ("0", "0"),
            ("-0.0", "0"),
            ("Ki", "0"),
        ] {
            check(text, want);
        }
    }

    #[test]
    fn texts_that_the_fast_path_takes_for_canonical_are_kept() {
        for text in ["1.500", "05", "+5", "1.234k", "1Gi", "5m"] {
            check(text, text);
        }
    }

    #[test]
    fn what_is_no_quantity_is_refused() {
        for text in [
            "", "invalid", "1 Gi", "1ki", "1Mb", "0x1", "--1", "1e", "1.2.3", "1ee3", "NaN",
        ] {
            assert!(Quantity::parse(text).is_none(), "{text}");
        }
    }

    #[test]
    fn amounts_compare_however_spelled() {
        let compare = |left, right| Quantity::parse(left).partial_cmp(&Quantity::parse(right));
        assert_eq!(compare("1", "1000m"), Some(Ordering::Equal));
        assert_eq!(compare("1Gi", "1073741824"), Some(Ordering::Equal));
        assert_eq!(compare("1Gi", "1G"), Some(Ordering::Greater));
        assert_eq!(compare("-2", "-1"), Some(Ordering::Less));
        assert_eq!(compare("0", "-1"), Some(Ordering::Greater));
        assert_eq!(compare("999m", "1"), Some(Ordering::Less));
    }
}
