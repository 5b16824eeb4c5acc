//! Types of arguments as text, in the notation of `ferdelance.types`: `i8, f8[:, ::1], UniTuple(c16, 3)`.

use ferdelance_compiler::host::Const;
use ferdelance_compiler::types::{Layout, Ty};

use crate::tokens::{Reader, Token};

/// The types of a list.
pub fn parse(text: &str) -> Result<Vec<Ty>, String> {
    Reader::new(text)
        .and_then(|mut reader| reader.list(None, ty))
        .map_err(|e| format!("signature {text:?}: {e}"))
}

fn ty(reader: &mut Reader) -> Result<Ty, String> {
    if reader.take('(') {
        return Ok(Ty::tuple(&reader.list(Some(')'), ty)?));
    }
    let found = reader.found();
    let Some(Token::Name(name)) = reader.next() else {
        return Err(format!("a type expected, found {found}"));
    };
    match &*name {
        "UniTuple" => {
            reader.expect('(')?;
            let item = ty(reader)?;
            reader.expect(',')?;
            let Const::Int(count) = reader.literal()? else {
                return Err("UniTuple takes a count".to_owned());
            };
            reader.expect(')')?;
            Ok(Ty::tuple(&vec![
                item;
                usize::try_from(count)
                    .map_err(|_| "a negative count")?
            ]))
        }
        "Tuple" => {
            reader.expect('(')?;
            Ok(Ty::tuple(&reader.list(Some(')'), ty)?))
        }
        "optional" => {
            reader.expect('(')?;
            let inner = ty(reader)?;
            reader.expect(')')?;
            Ok(Ty::optional(inner))
        }
        _ => {
            let scalar = named(&name).ok_or_else(|| format!("`{name}` is no type"))?;
            if reader.take('[') {
                array(reader, scalar)
            } else {
                Ok(scalar)
            }
        }
    }
}

/// The rest of `dtype[:, ::1]`: `::1` says along which axis elements are adjacent.
fn array(reader: &mut Reader, dtype: Ty) -> Result<Ty, String> {
    let adjacent = reader.list(Some(']'), |reader| {
        reader.expect(':')?;
        if !reader.take(':') {
            return Ok(false);
        }
        match reader.next() {
            Some(Token::Int(1)) => Ok(true),
            _ => Err("an axis is `:` or `::1`".to_owned()),
        }
    })?;
    let axes = u8::try_from(adjacent.len()).map_err(|_| "too many axes")?;
    let layout = match adjacent[..] {
        [.., true] => Layout::C,
        [true, ..] => Layout::F,
        _ => Layout::A,
    };
    Ok(Ty::array(dtype, axes, layout))
}

/// `int`, `float` and `complex` are Python's, with a weak origin; the others are strong.
fn named(name: &str) -> Option<Ty> {
    Some(match name {
        "int" => Ty::py_int(),
        "float" => Ty::py_float(),
        "complex" => Ty::py_complex(),
        "b1" | "bool" | "boolean" | "bool_" => Ty::bool(),
        "i1" | "int8" => Ty::int(8, true),
        "i2" | "int16" => Ty::int(16, true),
        "i4" | "int32" => Ty::int(32, true),
        "i8" | "int64" | "intp" => Ty::int(64, true),
        "u1" | "uint8" => Ty::int(8, false),
        "u2" | "uint16" => Ty::int(16, false),
        "u4" | "uint32" => Ty::int(32, false),
        "u8" | "uint64" | "uintp" => Ty::int(64, false),
        "f2" | "float16" => Ty::float(16),
        "f4" | "float32" => Ty::float(32),
        "f8" | "float64" => Ty::float(64),
        "c8" | "complex64" => Ty::complex(64),
        "c16" | "complex128" => Ty::complex(128),
        "str" | "unicode_type" => Ty::str(),
        "none" | "void" => Ty::none(),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::parse;

    fn shown(text: &str) -> String {
        let types = parse(text).unwrap_or_else(|e| panic!("{e}"));
        types
            .iter()
            .map(ToString::to_string)
            .collect::<Vec<_>>()
            .join("; ")
    }

    #[test]
    fn reads_the_notation_of_types() {
        assert_eq!(shown(""), "");
        assert_eq!(
            shown("i8, f4,c16, b1, str,none"),
            "int64; float32; complex128; bool; unicode_type; none"
        );
        assert_eq!(
            shown("f8[:], u1[::1], i4[:,::1], c8[::1,:], f8[:,:,:]"),
            "array(float64, 1d, A); array(uint8, 1d, C); array(int32, 2d, C); array(complex64, 2d, F); array(float64, 3d, A)"
        );
        assert_eq!(
            shown("UniTuple(f8, 3), Tuple(i8, f8[:]), (i8, (b1,)), optional(f8)"),
            "UniTuple(float64 x 3); Tuple(int64, array(float64, 1d, A)); Tuple(int64, Tuple(bool)); OptionalType(float64)"
        );
    }

    #[test]
    fn says_what_is_wrong() {
        assert_eq!(
            parse("i8, f9").unwrap_err(),
            "signature \"i8, f9\": `f9` is no type"
        );
        assert_eq!(
            parse("f8[:,").unwrap_err(),
            "signature \"f8[:,\": `:` expected, found the end"
        );
        assert_eq!(
            parse("i8 i8").unwrap_err(),
            "signature \"i8 i8\": `,` expected, found `i8`"
        );
    }
}
