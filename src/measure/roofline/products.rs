//! Products of square matrices with `gemm`, which multiplies candle's.

use std::hint::black_box;
use std::time::Duration;

use gemm::Parallelism;

use super::best_rate;

/// The best rate over `sizes`, in operations a second, and the size it is of;
/// or what was known before, where that is better. `measure` is given a size and its time.
pub(super) fn best(
    before: (f64, usize),
    sizes: &[usize],
    time: Duration,
    measure: impl Fn(usize, Duration) -> f64,
) -> (f64, usize) {
    let time = time / u32::try_from(sizes.len()).unwrap_or(u32::MAX).max(1);
    let rates = sizes.iter().map(|&size| (measure(size, time), size));
    rates.fold(
        before,
        |best, found| {
            if found.0 > best.0 { found } else { best }
        },
    )
}

/// Operations a second where each thread of the current pool has a product of its own.
pub(super) fn own_products(size: usize, time: Duration) -> f64 {
    let threads = rayon::current_num_threads();
    // Made by the threads themselves, so that each has memory that is near to it.
    let matrices = rayon::broadcast(|_| std::sync::Mutex::new(Matrices::new(size)));
    best_rate(flops(size) * threads as f64, time, |repetitions| {
        rayon::broadcast(|thread| {
            let own = &matrices[thread.index()];
            let mut own = own.lock().expect("OK because no thread panics in here");
            for _ in 0..repetitions {
                own.multiply(Parallelism::None);
            }
        });
    })
}

/// Operations a second where all threads of the current pool share each product.
pub(super) fn shared_product(size: usize, time: Duration) -> f64 {
    let mut matrices = Matrices::new(size);
    let threads = rayon::current_num_threads();
    best_rate(flops(size), time, |repetitions| {
        for _ in 0..repetitions {
            matrices.multiply(Parallelism::Rayon(threads));
        }
    })
}

/// A multiplication and an addition for each row, column and element of the sum.
fn flops(size: usize) -> f64 {
    2.0 * (size as f64).powi(3)
}

/// `left · right`, all square and stored row by row, as candle hands them over.
struct Matrices {
    size: usize,
    left: Vec<f32>,
    right: Vec<f32>,
    product: Vec<f32>,
}

impl Matrices {
    fn new(size: usize) -> Self {
        // Small whole numbers: their products and sums are exact.
        let values = |step: usize| (0..size * size).map(move |at| (at * step % 5) as f32);
        Self {
            size,
            left: values(3).collect(),
            right: values(7).collect(),
            product: vec![0.0; size * size],
        }
    }

    fn multiply(&mut self, parallelism: Parallelism) {
        let size = self.size;
        let row = isize::try_from(size).expect("OK because a matrix of so many rows is in memory");
        let (left, right) = (black_box(&self.left), black_box(&self.right));
        // SAFETY: each matrix has size · size elements, rows lie `size` and columns 1 apart, so
        // that every element named lies within; the product is borrowed for this call alone.
        unsafe {
            gemm::gemm(
                size,
                size,
                size,
                self.product.as_mut_ptr(),
                1,
                row,
                false,
                left.as_ptr(),
                1,
                row,
                right.as_ptr(),
                1,
                row,
                0.0,
                1.0,
                false,
                false,
                false,
                parallelism,
            );
        }
        black_box(&mut self.product);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_the_product_that_is_timed() {
        for parallelism in [Parallelism::None, Parallelism::Rayon(2)] {
            for size in [1, 7, 40] {
                let mut matrices = Matrices::new(size);
                matrices.multiply(parallelism);
                for row in 0..size {
                    for column in 0..size {
                        let terms = (0..size).map(|at| {
                            matrices.left[row * size + at] * matrices.right[at * size + column]
                        });
                        let expected: f32 = terms.sum();
                        assert_eq!(matrices.product[row * size + column], expected);
                    }
                }
            }
        }
    }

    #[test]
    fn operations_are_two_a_term() {
        assert_eq!(flops(1), 2.0);
        assert_eq!(flops(512), 268_435_456.0);
    }

    #[test]
    fn the_best_size_is_kept() {
        let find = |before| {
            best(before, &[3, 9, 5], Duration::from_secs(3), |size, time| {
                assert_eq!(time, Duration::from_secs(1));
                if size == 9 { 2.0 } else { 1.0 }
            })
        };
        assert_eq!(find((0.0, 0)), (2.0, 9));
        assert_eq!(find((3.0, 4)), (3.0, 4));
        assert_eq!(best((0.0, 0), &[], Duration::ZERO, |_, _| 1.0), (0.0, 0));
    }
}
