//! The loops of NumPy's generalised ufuncs that compiled code runs: those of `np.matmul`, and those of
//! `numpy.linalg` (`_umath_linalg`), which call LAPACK.
//!
//! A loop is known by its number, its place in [`LOOPS`]. The Python boundary looks the loops up by what
//! a row says and hands them to the runtime; compiled code names them by number.

/// A loop of a gufunc.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Loop {
    pub name: &'static str,
    /// As NumPy writes it: `(m,n)->(p)`.
    pub signature: &'static str,
    /// NumPy's type characters of operands and results.
    pub types: &'static str,
}

macro_rules! loops {
    ($($name:literal $signature:literal $($types:literal)*;)*) => {
        &[$($(Loop { name: $name, signature: $signature, types: $types },)*)*]
    };
}

/// The loops of `np.matmul` come first, in the order of `runtime::linalg`.
pub static LOOPS: &[Loop] = loops! {
    "matmul" "(n?,k),(k,m?)->(n?,m?)" "fff" "ddd" "FFF" "DDD";
    "cholesky_lo" "(m,m)->(m,m)" "dd" "DD";
    "cholesky_up" "(m,m)->(m,m)" "dd" "DD";
    "det" "(m,m)->()" "dd" "DD";
    "eig" "(m,m)->(m),(m,m)" "dDD" "DDD";
    "eigh_lo" "(m,m)->(m),(m,m)" "ddd" "DdD";
    "eigh_up" "(m,m)->(m),(m,m)" "ddd" "DdD";
    "eigvals" "(m,m)->(m)" "dD" "DD";
    "eigvalsh_lo" "(m,m)->(m)" "dd" "Dd";
    "eigvalsh_up" "(m,m)->(m)" "dd" "Dd";
    "inv" "(m,m)->(m,m)" "dd" "DD";
    "lstsq" "(m,n),(m,nrhs),()->(n,nrhs),(nrhs),(),(p)" "dddddid" "DDdDdid";
    "qr_complete" "(m,n),(n)->(m,m)" "ddd" "DDD";
    "qr_r_raw" "(m,n)->(p)" "dd" "DD";
    "qr_reduced" "(m,n),(k)->(m,k)" "ddd" "DDD";
    "slogdet" "(m,m)->(),()" "ddd" "DDd";
    "solve" "(m,m),(m,n)->(m,n)" "ddd" "DDD";
    "solve1" "(m,m),(m)->(m)" "ddd" "DDD";
    "svd" "(m,n)->(p)" "dd" "Dd";
    "svd_f" "(m,n)->(m,m),(p),(n,n)" "dddd" "DDdD";
    "svd_s" "(m,n)->(m,p),(p),(p,n)" "dddd" "DDdD";
};

/// The most operands and results that a loop has.
pub const MOST_OPERANDS: usize = 7;

impl Loop {
    /// The loop of this name for these types, by number.
    pub fn number(name: &str, types: &str) -> Option<usize> {
        LOOPS
            .iter()
            .position(|l| l.name == name && l.types == types)
    }

    /// For each operand and result, the names of the dimensions that its items have.
    pub fn cores(&self) -> impl Iterator<Item = Vec<&'static str>> {
        self.signature
            .split(['(', ')'])
            .skip(1)
            .step_by(2)
            .map(|dims| dims.split(',').filter(|d| !d.is_empty()).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_has_a_type_for_each_operand() {
        for (i, row) in LOOPS.iter().enumerate() {
            assert_eq!(row.cores().count(), row.types.len(), "{}", row.name);
            assert!(row.types.len() <= MOST_OPERANDS, "{}", row.name);
            assert_eq!(Loop::number(row.name, row.types), Some(i));
        }
    }

    #[test]
    fn dimensions_have_the_names_of_the_signature() {
        let lstsq = LOOPS.iter().find(|l| l.name == "lstsq").expect("a row");
        let cores: Vec<_> = lstsq.cores().collect();
        assert_eq!(cores[1], ["m", "nrhs"]);
        assert_eq!(cores[2], [""; 0]);
        assert_eq!(cores[6], ["p"]);
    }
}
