//! Values of options: how they are read, from a command line or a suite, and shown.

use std::convert::Infallible;
use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use crate::cell::WindowOrder;
use crate::decode::Decoder;
use crate::device::DeviceChoice;
use crate::measure::scenario::rules::Scenario;
use crate::models::Precision;
use crate::ops::FormChoice;
use crate::score::{ProtocolChoice, Summation};

/// A number of at least one.
///
/// # Errors
///
/// Says what it must be.
pub fn positive(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(0) => Err("must be at least 1".to_owned()),
        Ok(number) => Ok(number),
        Err(fault) => Err(format!("{fault}")),
    }
}

/// A number of threads that a machine may have.
///
/// # Errors
///
/// Says what it must be.
pub fn threads(text: &str) -> Result<usize, String> {
    match positive(text)? {
        number if number > 1024 => Err("must be at most 1024".to_owned()),
        number => Ok(number),
    }
}

/// A number of resamples that fit a memory.
///
/// # Errors
///
/// Says what it must be.
pub fn resamples(text: &str) -> Result<usize, String> {
    match positive(text)? {
        number if number > 1_000_000 => Err("must be at most 1000000".to_owned()),
        number => Ok(number),
    }
}

/// A number of folds: one has no spread.
///
/// # Errors
///
/// Says what it must be.
pub fn folds(text: &str) -> Result<usize, String> {
    match positive(text)? {
        1 => Err("must be at least 2".to_owned()),
        number if number > 1000 => Err("must be at most 1000".to_owned()),
        number => Ok(number),
    }
}

/// Queries a second.
///
/// # Errors
///
/// Says what it must be.
pub fn rate(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(rate) if rate > 0.0 && rate <= 1e9 => Ok(rate),
        Ok(_) => Err("must be above 0, in queries a second".to_owned()),
        Err(fault) => Err(fault.to_string()),
    }
}

/// A time, which may be none at all.
///
/// # Errors
///
/// Says how one is written.
pub fn time(text: &str) -> Result<Duration, String> {
    humantime::parse_duration(text).map_err(|fault| format!("{fault}; write 90s, 10m or 1h30m"))
}

/// A time that is longer than nothing.
///
/// # Errors
///
/// Says how one is written.
pub fn some_time(text: &str) -> Result<Duration, String> {
    match time(text)? {
        Duration::ZERO => Err("must be longer than nothing".to_owned()),
        time => Ok(time),
    }
}

/// Anything that knows how it is read.
pub(super) fn named<T: FromStr>(text: &str) -> Result<T, String>
where
    T::Err: fmt::Display,
{
    text.parse().map_err(|fault: T::Err| fault.to_string())
}

/// A text that names something: not none.
pub(super) fn name<T: FromStr<Err = Infallible>>(text: &str) -> Result<T, String> {
    if text.is_empty() {
        return Err("is empty; write a name, or leave the option out".to_owned());
    }
    let Ok(value) = text.parse::<T>();
    Ok(value)
}

/// Whether the machine's peak is taken from an earlier run or measured anew.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RooflineChoice {
    /// Measured once a machine.
    Cached,
    /// Measured anew.
    Fresh,
}

impl FromStr for RooflineChoice {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "cached" => Ok(Self::Cached),
            "fresh" => Ok(Self::Fresh),
            other => Err(format!("{other:?} is neither cached nor fresh")),
        }
    }
}

/// A value as text that is read back as the same value.
pub(super) trait Shown {
    /// The text.
    fn shown(&self) -> String;
}

/// Types whose text is that of their `Display`.
macro_rules! shown_as_displayed {
    ($($type:ty),*) => {
        $(impl Shown for $type {
            fn shown(&self) -> String {
                self.to_string()
            }
        })*
    };
}

shown_as_displayed!(
    bool,
    f64,
    u64,
    usize,
    String,
    Decoder,
    DeviceChoice,
    Scenario,
    Summation
);

impl Shown for Duration {
    fn shown(&self) -> String {
        humantime::format_duration(*self).to_string()
    }
}

impl Shown for PathBuf {
    fn shown(&self) -> String {
        self.display().to_string()
    }
}

impl Shown for Precision {
    fn shown(&self) -> String {
        self.name().to_owned()
    }
}

impl Shown for WindowOrder {
    fn shown(&self) -> String {
        self.name().to_owned()
    }
}

impl Shown for FormChoice {
    fn shown(&self) -> String {
        match self {
            Self::Auto => "auto".to_owned(),
            Self::Portable => "portable".to_owned(),
        }
    }
}

impl Shown for ProtocolChoice {
    fn shown(&self) -> String {
        match self {
            Self::Auto => "auto".to_owned(),
            Self::Named(protocol) => protocol.to_string(),
        }
    }
}

impl Shown for RooflineChoice {
    fn shown(&self) -> String {
        match self {
            Self::Cached => "cached".to_owned(),
            Self::Fresh => "fresh".to_owned(),
        }
    }
}

/// A value as a suite has it.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Written {
    /// In quotation marks.
    Text(String),
    /// A whole number, in decimal digits.
    Number(String),
    /// A number with a point or an exponent.
    Decimal(String),
    /// `true` or `false`.
    Flag(bool),
    /// Anything else, by what it is called.
    Other(&'static str),
}

/// How an option's value is written in a suite.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    /// In quotation marks.
    Text,
    /// A whole number.
    Number,
    /// Any number.
    Decimal,
    /// `true` or `false`.
    Flag,
}

impl Written {
    /// The value, read as the command line reads it.
    pub(super) fn read<T>(
        &self,
        form: Form,
        parse: impl Fn(&str) -> Result<T, String>,
    ) -> Result<T, String> {
        let text = match (form, self) {
            (Form::Text, Self::Text(text)) => text.clone(),
            (Form::Number | Form::Decimal, Self::Number(digits))
            | (Form::Decimal, Self::Decimal(digits)) => digits.clone(),
            (Form::Flag, Self::Flag(flag)) => flag.to_string(),
            _ => {
                let wanted = match form {
                    Form::Text => "text; put it in quotation marks",
                    Form::Number => "a whole number; write it without point or quotation marks",
                    Form::Decimal => "a number; write it without quotation marks",
                    Form::Flag => "true or false; write it without quotation marks",
                };
                return Err(format!("{} is not {wanted}", self.shown()));
            }
        };
        parse(&text).map_err(|fault| {
            let shown = self.shown();
            // Some messages name the value themselves.
            if fault.contains(&shown) && shown.starts_with('"') {
                fault
            } else {
                format!("{shown}: {fault}")
            }
        })
    }

    /// As it stands in the file.
    fn shown(&self) -> String {
        match self {
            Self::Text(text) => format!("{text:?}"),
            Self::Number(digits) | Self::Decimal(digits) => digits.clone(),
            Self::Flag(flag) => flag.to_string(),
            Self::Other(what) => (*what).to_owned(),
        }
    }
}
