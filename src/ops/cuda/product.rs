//! Products of matrices by cuBLASLt, summed in `f32` and never in TF32.

use std::collections::HashMap;
use std::ffi::c_void;
use std::mem::size_of_val;
use std::ptr::from_ref;
use std::sync::{Mutex, PoisonError};

use candle_core::cuda_backend::CudaDevice;
use candle_core::cuda_backend::cudarc::cublaslt::result::{self, CublasError};
use candle_core::cuda_backend::cudarc::cublaslt::sys::{
    cublasComputeType_t, cublasLtEpilogue_t, cublasLtHandle_t, cublasLtMatmulAlgo_t,
    cublasLtMatmulDesc_t, cublasLtMatmulDescAttributes_t as DescriptionAttribute,
    cublasLtMatmulPreference_t, cublasLtMatmulPreferenceAttributes_t as PreferenceAttribute,
    cublasLtMatrixLayout_t, cublasLtMatrixLayoutAttribute_t as LayoutAttribute, cudaDataType_t,
};
use candle_core::cuda_backend::cudarc::driver::{CudaSlice, DevicePtr};
use candle_core::{DType, Error, Result, bail};

use super::launch::{Address, PerDevice};

/// Memory that algorithms may use besides their operands: what NVIDIA advises for its Hopper cards.
const WORKSPACE_BYTES: usize = 32 << 20;

/// The largest alignment that algorithms are chosen for.
const LARGEST_ALIGNMENT: u32 = 256;

/// A matrix by rows, or several of one shape.
pub(super) struct Operand {
    /// Of the first number.
    pub(super) address: Address,
    /// Numbers from one row to the next.
    pub(super) row: usize,
    /// Numbers from one matrix of the batch to the next.
    pub(super) step: usize,
}

/// `result = scale · x · weightᵀ + bias`, all of one dtype.
pub(super) struct Product {
    /// Columns of the result.
    pub(super) outputs: usize,
    /// Rows of `x` and of the result.
    pub(super) tokens: usize,
    /// Columns of `x`.
    pub(super) inputs: usize,
    /// How many such products.
    pub(super) batch: usize,
    /// What sums are multiplied by.
    pub(super) scale: f32,
    /// Of all operands.
    pub(super) dtype: DType,
    /// `[outputs, inputs]`.
    pub(super) weight: Operand,
    /// Whether `weight` is `[inputs, outputs]` in place of that.
    pub(super) weight_by_inputs: bool,
    /// `[tokens, inputs]`.
    pub(super) x: Operand,
    /// `[tokens, outputs]`, written.
    pub(super) result: Operand,
    /// `[outputs]`.
    pub(super) bias: Option<Address>,
}

/// Computes a product.
///
/// # Safety
///
/// All operands must be as large as their shapes say and stay where they are until the device has
/// computed what it was asked before now.
pub(super) unsafe fn multiply(device: &CudaDevice, product: &Product) -> Result<()> {
    if product.tokens == 0 || product.outputs == 0 {
        return Ok(());
    }
    let stream = device.cuda_stream();
    // The library's calls are of the thread's own device, which may have been another.
    stream.context().bind_to_thread().map_err(Error::wrap)?;
    let library = LIBRARIES.of(device, || Library::new(device))?;
    let plan = Plan::new(product)?;
    let algorithm = library.algorithm(product, &plan)?;
    let (alpha, beta) = (product.scale, 0.0_f32);
    let (workspace, _) = library.workspace.device_ptr(&stream);
    // SAFETY: all handles are alive, made for one another, and the algorithm is for such a product; the
    // caller has promised the operands.
    let done = unsafe {
        result::matmul(
            library.handle,
            plan.description.0,
            from_ref(&alpha).cast(),
            from_ref(&beta).cast(),
            product.weight.address as *const c_void,
            plan.weight.0,
            product.x.address as *const c_void,
            plan.x.0,
            product.result.address as *const c_void,
            plan.result.0,
            product.result.address as *mut c_void,
            plan.result.0,
            from_ref(&algorithm),
            workspace as *mut c_void,
            WORKSPACE_BYTES,
            stream.cu_stream().cast(),
        )
    };
    done.map_err(|fault| failed(product, fault))
}

/// Algorithms that are kept: those of a model for many lengths of batches.
const MOST_ALGORITHMS: usize = 4096;

/// cuBLASLt on a device.
struct Library {
    handle: cublasLtHandle_t,
    /// One is enough: products are computed one after another, in the device's only stream.
    workspace: CudaSlice<u8>,
    /// Those the library found for products asked for before: to find one takes it longer than to begin one.
    algorithms: Mutex<HashMap<Kind, cublasLtMatmulAlgo_t>>,
}

// SAFETY: the library's handles may be used by several threads at a time.
unsafe impl Send for Library {}
// SAFETY: as above.
unsafe impl Sync for Library {}

static LIBRARIES: PerDevice<Library> = PerDevice::new();

impl Library {
    fn new(device: &CudaDevice) -> Result<Self> {
        Ok(Self {
            handle: result::create_handle().map_err(Error::wrap)?,
            // SAFETY: algorithms write to it before they read.
            workspace: unsafe { device.alloc::<u8>(WORKSPACE_BYTES)? },
            algorithms: Mutex::default(),
        })
    }

    /// The algorithm that the library advises for a product.
    fn algorithm(&self, product: &Product, plan: &Plan) -> Result<cublasLtMatmulAlgo_t> {
        let kind = Kind::of(product);
        let mut known = self
            .algorithms
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if let Some(algorithm) = known.get(&kind) {
            return Ok(*algorithm);
        }
        let preference = Preference::new(product)?;
        // SAFETY: all handles are alive, made for one another.
        let best = unsafe {
            result::get_matmul_algo_heuristic(
                self.handle,
                plan.description.0,
                plan.weight.0,
                plan.x.0,
                plan.result.0,
                plan.result.0,
                preference.0,
            )
        };
        let best = best.map_err(|fault| failed(product, fault))?;
        if known.len() >= MOST_ALGORITHMS {
            known.clear();
        }
        known.insert(kind, best.algo);
        Ok(best.algo)
    }
}

/// All of a product that its algorithm depends on.
#[derive(PartialEq, Eq, Hash)]
struct Kind {
    dtype: DType,
    sizes: [usize; 4],
    weight_by_inputs: bool,
    bias: bool,
    /// Numbers to the next row and the next matrix of each operand, and the operand's alignment.
    operands: [(usize, usize, u32); 3],
}

impl Kind {
    fn of(product: &Product) -> Self {
        let operand = |operand: &Operand| (operand.row, operand.step, alignment(operand.address));
        Self {
            dtype: product.dtype,
            sizes: [
                product.outputs,
                product.tokens,
                product.inputs,
                product.batch,
            ],
            weight_by_inputs: product.weight_by_inputs,
            bias: product.bias.is_some(),
            operands: [&product.weight, &product.x, &product.result].map(operand),
        }
    }
}

/// What is multiplied, as the library wants it said. It has matrices by columns: those by rows are
/// their transposes, so that the weight comes first.
struct Plan {
    description: Description,
    weight: Layout,
    x: Layout,
    result: Layout,
}

impl Plan {
    fn new(product: &Product) -> Result<Self> {
        let kind = match product.dtype {
            DType::F32 => cudaDataType_t::CUDA_R_32F,
            DType::F16 => cudaDataType_t::CUDA_R_16F,
            DType::BF16 => cudaDataType_t::CUDA_R_16BF,
            other => bail!("the CUDA form multiplies no {other:?}"),
        };
        let (outputs, tokens, inputs) = (product.outputs, product.tokens, product.inputs);
        let weight = if product.weight_by_inputs {
            (outputs, inputs)
        } else {
            (inputs, outputs)
        };
        let layout = |(rows, columns), operand: &Operand| {
            Layout::new(kind, rows, columns, operand, product.batch)
        };
        Ok(Self {
            description: Description::new(product)?,
            weight: layout(weight, &product.weight)?,
            x: layout((inputs, tokens), &product.x)?,
            result: layout((outputs, tokens), &product.result)?,
        })
    }
}

fn failed(product: &Product, fault: CublasError) -> Error {
    let Product {
        outputs,
        tokens,
        inputs,
        dtype,
        ..
    } = product;
    let bias = if product.bias.is_some() {
        " with a bias"
    } else {
        ""
    };
    Error::Msg(format!(
        "cuBLASLt, a product of {tokens} x {inputs} x {outputs} in {dtype:?}{bias}: {fault}"
    ))
}

struct Description(cublasLtMatmulDesc_t);

impl Description {
    fn new(product: &Product) -> Result<Self> {
        // f32 throughout: what CUBLAS_COMPUTE_32F_FAST_TF32 and its like would round is not rounded.
        let compute = cublasComputeType_t::CUBLAS_COMPUTE_32F;
        let handle = result::create_matmul_desc(compute, cudaDataType_t::CUDA_R_32F);
        let description = Self(handle.map_err(Error::wrap)?);
        let transposed = i32::from(!product.weight_by_inputs);
        description.set(
            DescriptionAttribute::CUBLASLT_MATMUL_DESC_TRANSA,
            &transposed,
        )?;
        if let Some(bias) = &product.bias {
            let epilogue = cublasLtEpilogue_t::CUBLASLT_EPILOGUE_BIAS;
            description.set(
                DescriptionAttribute::CUBLASLT_MATMUL_DESC_EPILOGUE,
                &epilogue,
            )?;
            description.set(
                DescriptionAttribute::CUBLASLT_MATMUL_DESC_BIAS_POINTER,
                bias,
            )?;
        }
        Ok(description)
    }

    fn set<T>(&self, attribute: DescriptionAttribute, value: &T) -> Result<()> {
        // SAFETY: the description is alive, and the value as large as is said.
        let done = unsafe {
            let bytes = size_of_val(value);
            result::set_matmul_desc_attribute(self.0, attribute, from_ref(value).cast(), bytes)
        };
        done.map_err(Error::wrap)
    }
}

impl Drop for Description {
    fn drop(&mut self) {
        // SAFETY: made by `new`, and not destroyed before. Nothing can be done about a failure.
        let _ = unsafe { result::destroy_matmul_desc(self.0) };
    }
}

struct Layout(cublasLtMatrixLayout_t);

impl Layout {
    /// A matrix by columns: `operand.row` numbers from one column to the next.
    fn new(
        kind: cudaDataType_t,
        rows: usize,
        columns: usize,
        operand: &Operand,
        batch: usize,
    ) -> Result<Self> {
        let distance = i64::try_from(operand.row).map_err(Error::wrap)?;
        let handle = result::create_matrix_layout(kind, rows as u64, columns as u64, distance);
        let layout = Self(handle.map_err(Error::wrap)?);
        if batch > 1 {
            let count = i32::try_from(batch).map_err(Error::wrap)?;
            layout.set(LayoutAttribute::CUBLASLT_MATRIX_LAYOUT_BATCH_COUNT, &count)?;
            let step = i64::try_from(operand.step).map_err(Error::wrap)?;
            layout.set(
                LayoutAttribute::CUBLASLT_MATRIX_LAYOUT_STRIDED_BATCH_OFFSET,
                &step,
            )?;
        }
        Ok(layout)
    }

    fn set<T>(&self, attribute: LayoutAttribute, value: &T) -> Result<()> {
        // SAFETY: the layout is alive, and the value as large as is said.
        let done = unsafe {
            let bytes = size_of_val(value);
            result::set_matrix_layout_attribute(self.0, attribute, from_ref(value).cast(), bytes)
        };
        done.map_err(Error::wrap)
    }
}

impl Drop for Layout {
    fn drop(&mut self) {
        // SAFETY: made by `new`, and not destroyed before. Nothing can be done about a failure.
        let _ = unsafe { result::destroy_matrix_layout(self.0) };
    }
}

/// What algorithms may rely on.
struct Preference(cublasLtMatmulPreference_t);

impl Preference {
    fn new(product: &Product) -> Result<Self> {
        let preference = Self(result::create_matmul_pref().map_err(Error::wrap)?);
        preference.set(
            PreferenceAttribute::CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES,
            &WORKSPACE_BYTES,
        )?;
        // Without these, operands are taken to be aligned as allocations are.
        for (attribute, operand) in [
            (
                PreferenceAttribute::CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_A_BYTES,
                &product.weight,
            ),
            (
                PreferenceAttribute::CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_B_BYTES,
                &product.x,
            ),
            (
                PreferenceAttribute::CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_C_BYTES,
                &product.result,
            ),
            (
                PreferenceAttribute::CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_D_BYTES,
                &product.result,
            ),
        ] {
            preference.set(attribute, &alignment(operand.address))?;
        }
        Ok(preference)
    }

    fn set<T>(&self, attribute: PreferenceAttribute, value: &T) -> Result<()> {
        // SAFETY: the preference is alive, and the value as large as is said.
        let done = unsafe {
            let bytes = size_of_val(value);
            result::set_matmul_pref_attribute(self.0, attribute, from_ref(value).cast(), bytes)
        };
        done.map_err(Error::wrap)
    }
}

impl Drop for Preference {
    fn drop(&mut self) {
        // SAFETY: made by `new`, and not destroyed before. Nothing can be done about a failure.
        let _ = unsafe { result::destroy_matmul_pref(self.0) };
    }
}

/// The largest power of two that an address is a multiple of.
fn alignment(address: Address) -> u32 {
    1_u32
        .checked_shl(address.trailing_zeros())
        .map_or(LARGEST_ALIGNMENT, |alignment| {
            alignment.min(LARGEST_ALIGNMENT)
        })
}
