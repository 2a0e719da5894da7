//! The management library.

use candle_core::cuda_backend::CudaDevice;
use nvml_wrapper::Nvml;
use nvml_wrapper::bitmasks::device::ThrottleReasons;
use nvml_wrapper::enum_wrappers::device::{Clock, TemperatureSensor};
use nvml_wrapper::error::NvmlError;

use super::{Card, Look, Looked};

/// Why clocks are held down, in words. A card that has nothing to do lowers them too: that is not among
/// them.
const REASONS: [(ThrottleReasons, &str); 7] = [
    (ThrottleReasons::SW_POWER_CAP, "power cap"),
    (ThrottleReasons::HW_SLOWDOWN, "hardware slowdown"),
    (ThrottleReasons::HW_POWER_BRAKE_SLOWDOWN, "power brake"),
    (
        ThrottleReasons::HW_THERMAL_SLOWDOWN,
        "heat, by the hardware",
    ),
    (ThrottleReasons::SW_THERMAL_SLOWDOWN, "heat, by the driver"),
    (ThrottleReasons::SYNC_BOOST, "another card of its group"),
    (
        ThrottleReasons::APPLICATIONS_CLOCKS_SETTING,
        "the clocks it was set to",
    ),
];

/// What a card tells.
pub(super) fn card(device: &CudaDevice) -> Card {
    let stream = device.cuda_stream();
    let context = stream.context();
    let capability = context.compute_capability().ok();
    let own = Card {
        name: context.name().ok(),
        uuid: uuid(device),
        compute_capability: capability.map(|(major, minor)| format!("{major}.{minor}")),
        memory_total_bytes: context.total_mem().ok().map(|bytes| bytes as u64),
        ..Card::default()
    };
    match more(&own) {
        Ok(more) => more,
        Err(fault) => Card {
            absent_because: Some(fault.to_string()),
            ..own
        },
    }
}

/// What only NVML knows.
fn more(own: &Card) -> Result<Card, NvmlError> {
    let nvml = Nvml::init()?;
    let device = nvml.device_by_uuid(own.uuid.clone().unwrap_or_default())?;
    let cuda = nvml.sys_cuda_driver_version().ok();
    let milliwatts = device.enforced_power_limit().ok();
    Ok(Card {
        driver: nvml.sys_driver_version().ok(),
        // 13000 is 13.0.
        cuda: cuda.map(|version| format!("{}.{}", version / 1000, version % 1000 / 10)),
        power_limit_w: milliwatts.map(|milliwatts| f64::from(milliwatts) / 1e3),
        largest_sm_clock_mhz: device.max_clock_info(Clock::SM).ok(),
        largest_memory_clock_mhz: device.max_clock_info(Clock::Memory).ok(),
        ecc: device
            .is_ecc_enabled()
            .ok()
            .map(|ecc| ecc.currently_enabled),
        mig: device.mig_mode().ok().map(|mode| mode.current != 0),
        ..own.clone()
    })
}

/// As NVML writes it: the order of cards is not the same for both libraries.
fn uuid(device: &CudaDevice) -> Option<String> {
    let stream = device.cuda_stream();
    let uuid = stream.context().uuid().ok()?;
    // What C calls a char has a sign on some processors.
    let bytes = uuid.bytes.iter().flat_map(|byte| byte.to_ne_bytes());
    let hex: String = bytes.map(|byte| format!("{byte:02x}")).collect();
    let parts = [
        &hex[..8],
        &hex[8..12],
        &hex[12..16],
        &hex[16..20],
        &hex[20..],
    ];
    Some(format!("GPU-{}", parts.join("-")))
}

/// A card that can be looked at.
pub(super) struct Watched {
    nvml: Nvml,
    uuid: String,
}

impl Watched {
    pub(super) fn open(device: &CudaDevice) -> Result<Self, NvmlError> {
        let watched = Self {
            nvml: Nvml::init()?,
            uuid: uuid(device).unwrap_or_default(),
        };
        watched.device()?;
        Ok(watched)
    }

    fn device(&self) -> Result<nvml_wrapper::Device<'_>, NvmlError> {
        self.nvml.device_by_uuid(self.uuid.as_str())
    }
}

impl Looked for Watched {
    fn look(&self) -> Look {
        let Ok(device) = self.device() else {
            return Look::default();
        };
        let reasons = device.current_throttle_reasons().ok();
        let slowed = REASONS
            .iter()
            .filter(|(reason, _)| reasons.is_some_and(|reasons| reasons.contains(*reason)));
        let processes = device.running_compute_processes().ok();
        Look {
            power_w: device
                .power_usage()
                .ok()
                .map(|milliwatts| f64::from(milliwatts) / 1e3),
            sm_clock_mhz: device.clock_info(Clock::SM).ok(),
            temperature_c: device.temperature(TemperatureSensor::Gpu).ok(),
            used_bytes: device.memory_info().ok().map(|memory| memory.used),
            // All but this one, whatever number it has where the driver counts them.
            others: processes.map(|all| all.len().saturating_sub(1)),
            slowed_by: slowed.map(|(_, words)| *words).collect(),
        }
    }

    fn millijoules(&self) -> Option<u64> {
        self.device().ok()?.total_energy_consumption().ok()
    }
}
