//! Products of small matrices: straight code for the sizes that geometry has, strips of columns for
//! the others.

use core::ops::{Add, Mul};

/// A stack of products: how many there are, and how far it is from one to the next.
#[derive(Debug)]
pub struct Stack {
    pub count: isize,
    pub steps: [isize; 3],
    /// m, k, n.
    pub sizes: [isize; 3],
    /// The strides of each matrix, in bytes.
    pub cores: [[isize; 2]; 3],
}

/// Makes the products of a stack.
///
/// # Safety (of the functions)
/// The matrices are where the addresses, sizes and strides say; the third is writable and shares no
/// memory with the others.
pub type Product = unsafe fn(&Stack, [*mut u8; 3]);

/// The function for the items of a loop of `np.matmul`.
pub fn product(number: i64) -> Option<Product> {
    Some(match number {
        0 => stack::<f32>,
        1 => stack::<f64>,
        2 => stack::<Complex<f32>>,
        3 => stack::<Complex<f64>>,
        _ => return None,
    })
}

#[derive(Clone, Copy, Debug, Default)]
#[repr(C)]
struct Complex<T>(T, T);

impl<T: Copy + Add<Output = T>> Add for Complex<T> {
    type Output = Self;
    fn add(self, other: Self) -> Self {
        Complex(self.0 + other.0, self.1 + other.1)
    }
}

impl<T: Copy + Add<Output = T> + Mul<Output = T> + core::ops::Sub<Output = T>> Mul for Complex<T> {
    type Output = Self;
    fn mul(self, other: Self) -> Self {
        Complex(
            self.0 * other.0 - self.1 * other.1,
            self.0 * other.1 + self.1 * other.0,
        )
    }
}

trait Number: Copy + Default + Add<Output = Self> + Mul<Output = Self> {}
impl Number for f32 {}
impl Number for f64 {}
impl Number for Complex<f32> {}
impl Number for Complex<f64> {}

/// # Safety
/// As [`Product`].
unsafe fn stack<T: Number>(stack: &Stack, mut at: [*mut u8; 3]) {
    let sizes = stack.sizes;
    let near = size_of::<T>() as isize;
    let in_rows = stack.cores[1][1] == near && stack.cores[2][1] == near;
    for _ in 0..stack.count {
        // SAFETY: the caller's promise; where the sizes are constants, they are those of the stack,
        // and so are the strides.
        unsafe {
            match (sizes, in_rows) {
                ([2, 2, 2], true) => one::<T>(&with_rows(stack, [2, 2, 2]), at),
                ([3, 3, 3], true) => one::<T>(&with_rows(stack, [3, 3, 3]), at),
                ([4, 4, 4], true) => one::<T>(&with_rows(stack, [4, 4, 4]), at),
                ([3, 3, 1], _) => one::<T>(&with_sizes(stack, [3, 3, 1]), at),
                ([_, _, _], true) => one::<T>(&with_rows(stack, sizes), at),
                _ => one::<T>(&with_sizes(stack, sizes), at),
            }
        }
        for (address, &step) in at.iter_mut().zip(&stack.steps) {
            *address = address.wrapping_offset(step);
        }
    }
}

/// The matrices of a product.
struct One {
    sizes: [isize; 3],
    cores: [[isize; 2]; 3],
    /// The items of the rows of the second and third lie one behind the other.
    in_rows: bool,
}

#[inline(always)]
fn with_rows(stack: &Stack, sizes: [isize; 3]) -> One {
    One {
        sizes,
        cores: stack.cores,
        in_rows: true,
    }
}

#[inline(always)]
fn with_sizes(stack: &Stack, sizes: [isize; 3]) -> One {
    One {
        sizes,
        cores: stack.cores,
        in_rows: false,
    }
}

/// # Safety
/// As [`Product`].
#[inline(always)]
unsafe fn one<T: Number>(product: &One, [a, b, c]: [*mut u8; 3]) {
    let [m, _, n] = product.sizes;
    for i in 0..m {
        let (a, c) = (
            a.wrapping_offset(i * product.cores[0][0]),
            c.wrapping_offset(i * product.cores[2][0]),
        );
        let mut j = 0;
        // SAFETY: the strips make up the row.
        unsafe {
            while j + 4 <= n {
                strip::<T, 4>(product, a, b, c, j);
                j += 4;
            }
            match n - j {
                3 => strip::<T, 3>(product, a, b, c, j),
                2 => strip::<T, 2>(product, a, b, c, j),
                1 => strip::<T, 1>(product, a, b, c, j),
                _ => {}
            }
        }
    }
}

/// The items `j..j + N` of a row of the result.
///
/// # Safety
/// As [`Product`], `a` and `c` being where the row begins.
#[inline(always)]
unsafe fn strip<T: Number, const N: usize>(
    product: &One,
    a: *const u8,
    b: *const u8,
    c: *mut u8,
    j: isize,
) {
    let [[_, along_a], [down_b, along_b], [_, along_c]] = product.cores;
    let near = size_of::<T>() as isize;
    let (along_b, along_c) = if product.in_rows {
        (near, near)
    } else {
        (along_b, along_c)
    };
    let mut sums = [T::default(); N];
    for l in 0..product.sizes[1] {
        // SAFETY: items of both matrices.
        unsafe {
            let x = a.offset(l * along_a).cast::<T>().read();
            let row = b.offset(l * down_b + j * along_b);
            for (q, sum) in sums.iter_mut().enumerate() {
                *sum = *sum + x * row.offset(q as isize * along_b).cast::<T>().read();
            }
        }
    }
    for (q, &sum) in sums.iter().enumerate() {
        // SAFETY: items of the result.
        unsafe {
            c.offset((j + q as isize) * along_c).cast::<T>().write(sum);
        }
    }
}
