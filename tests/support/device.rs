//! Where the operations are tested.

use std::sync::OnceLock;

use candle_core::Device;
use spanbench::device::DeviceChoice;
use spanbench::ops::{Form, FormChoice};

/// The device that `SPANBENCH_TEST_DEVICE` names as `--device` would, and the CPU where it names none.
///
/// It is opened once: what is asked of a device that is opened twice comes in no order.
pub fn device() -> Device {
    static OPEN: OnceLock<Device> = OnceLock::new();
    let open = OPEN.get_or_init(|| {
        let name = std::env::var("SPANBENCH_TEST_DEVICE");
        let name = name.as_deref().unwrap_or("cpu");
        let choice: DeviceChoice = name.parse().unwrap();
        choice.open().unwrap().device
    });
    open.clone()
}

/// The forms that compute on [`device`]: a GPU's portable one is candle's to test.
pub fn forms() -> Vec<Form> {
    match Form::fastest(&device()) {
        Form::Cpu => vec![Form::Cpu, Form::Portable],
        other => vec![other],
    }
}

/// The same, as models are loaded with them.
pub fn choices() -> Vec<FormChoice> {
    match Form::fastest(&device()) {
        Form::Cpu => vec![FormChoice::Auto, FormChoice::Portable],
        _ => vec![FormChoice::Auto],
    }
}
