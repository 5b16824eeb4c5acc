//! The text form of TIR: deterministic, one instruction a line.
//!
//! `{}` prints the code alone; `{:#}` adds to each line where it comes from (`function:line:column`,
//! innermost first).

use std::fmt::{self, Display, Formatter, Write};

use ferdelance_abi::settings::{FastMath, Rewrites};

use super::data::*;
use super::nest::{Access, Axis, Item, Nest, OutputKind, Subview};

impl Display for Type {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Type::I1 => "i1",
            Type::I8 => "i8",
            Type::I16 => "i16",
            Type::I32 => "i32",
            Type::I64 => "i64",
            Type::F16 => "f16",
            Type::F32 => "f32",
            Type::F64 => "f64",
            Type::Ptr => "ptr",
            Type::Obj => "obj",
            Type::Owner => "owner",
            Type::Err => "err",
            Type::Array(rank) => return write!(f, "array{rank}"),
        })
    }
}

/// Prints names of unit variants as LLVM would: lower case.
macro_rules! lower_case_names {
    ($($type:ty),*) => {$(
        impl Display for $type {
            fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
                f.write_str(&format!("{self:?}").to_ascii_lowercase())
            }
        }
    )*};
}
lower_case_names!(Bin, Cmp, Un, Cast, Mem);

impl Display for Part {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Part::Owner => f.write_str("owner"),
            Part::Data => f.write_str("data"),
            Part::Shape(axis) => write!(f, "shape[{axis}]"),
            Part::Stride(axis) => write!(f, "stride[{axis}]"),
        }
    }
}

/// `a, b, c`
fn list<T: Display>(f: &mut Formatter<'_>, items: impl IntoIterator<Item = T>) -> fmt::Result {
    for (i, item) in items.into_iter().enumerate() {
        if i > 0 {
            f.write_str(", ")?;
        }
        write!(f, "{item}")?;
    }
    Ok(())
}

impl Display for Op {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Op::Int(value) => write!(f, "int {value}"),
            // The shortest text that reads back as the same double; NaNs by their bits.
            Op::Float(bits) if f64::from_bits(*bits).is_nan() => {
                write!(f, "float nan:{bits:#018x}")
            }
            Op::Float(bits) => write!(f, "float {:?}", f64::from_bits(*bits)),
            Op::Null => f.write_str("null"),
            Op::Undef => f.write_str("undef"),
            Op::Pool(id) => write!(f, "pool {id}"),
            Op::Binary { op, a, b, nsw } => {
                write!(f, "{op}{} {a}, {b}", if *nsw { ".nsw" } else { "" })
            }
            Op::Unary(op, a) => write!(f, "{op} {a}"),
            Op::Compare(op, a, b) => write!(f, "cmp.{op} {a}, {b}"),
            Op::Cast(op, a) => write!(f, "cast.{op} {a}"),
            Op::Select { cond, then, other } => write!(f, "select {cond}, {then}, {other}"),
            Op::Lookup { table, index } => write!(f, "lookup {}, {index}", table.name),
            Op::Fma { a, b, c } => write!(f, "fma {a}, {b}, {c}"),
            Op::Rare {
                cond,
                fast,
                func,
                args,
            } => {
                write!(f, "rare {cond}, {fast}, {}", func.info().name)?;
                args.iter().try_for_each(|v| write!(f, ", {v}"))
            }
            Op::Offset { base, offset } => write!(f, "offset {base}, {offset}"),
            Op::Element { base, index, size } => write!(f, "element {base}, {index} * {size}"),
            Op::Load { ptr, align, mem } => write!(f, "load.{mem} {ptr}, align {align}"),
            Op::Exchange { ptr, value, mem } => write!(f, "exchange.{mem} {ptr}, {value}"),
            Op::Store {
                ptr,
                value,
                align,
                mem,
            } => {
                write!(f, "store.{mem} {ptr}, {value}, align {align}")
            }
            Op::StackSlot { size, align } => write!(f, "stack_slot {size}, align {align}"),
            Op::MakeArray {
                owner,
                data,
                shape,
                strides,
            } => {
                write!(f, "make_array {owner}, {data}, ")?;
                dimensions(f, shape, strides)
            }
            Op::View {
                base,
                data,
                shape,
                strides,
            } => {
                write!(f, "view {base}, {data}, ")?;
                dimensions(f, shape, strides)
            }
            Op::ArrayPart(array, part) => write!(f, "part {array}, {part}"),
            Op::Subview(view) => write!(f, "{view}"),
            // Its body needs the types of its values: `Function::write_inst`.
            Op::Nest(nest) => write!(f, "nest {}", Bracketed(&nest.extents)),
            Op::Call { func, args } => {
                write!(f, "call {func}(")?;
                list(f, args)?;
                f.write_char(')')
            }
            Op::CallIndirect { pointer, args } => {
                write!(f, "call.indirect {pointer}(")?;
                list(f, args)?;
                f.write_char(')')
            }
            Op::NewGenerator { func, args } => {
                write!(f, "generator {func}(")?;
                list(f, args)?;
                f.write_char(')')
            }
            Op::Resume { object, args } => {
                write!(f, "resume {object}(")?;
                list(f, args)?;
                f.write_char(')')
            }
            Op::Yield { values } => {
                f.write_str("yield ")?;
                list(f, values)
            }
            Op::Received => f.write_str("received"),
            Op::FunctionAddress { func, entry } => {
                write!(f, "address {func}{}", if *entry { ".entry" } else { "" })
            }
            Op::CallC { pointer, args, .. } => {
                write!(f, "call.c {pointer}(")?;
                list(f, args)?;
                f.write_char(')')
            }
            Op::Rt { func, args } => {
                write!(f, "rt {}(", func.info().name)?;
                list(f, args)?;
                f.write_char(')')
            }
            Op::Retain(a) => write!(f, "retain {a}"),
            Op::Release(a) => write!(f, "release {a}"),
            Op::Assume(a) => write!(f, "assume {a}"),
        }
    }
}

/// `[a, b]`
struct Bracketed<'a>(&'a [Value]);

impl Display for Bracketed<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_char('[')?;
        list(f, self.0)?;
        f.write_char(']')
    }
}

impl Display for Subview {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "subview {}{}[", self.base, self.item)?;
        for (i, axis) in self.axes.iter().enumerate() {
            f.write_str(if i > 0 { ", " } else { "" })?;
            match axis {
                Axis::New => f.write_str("new")?,
                Axis::Whole(dim) => write!(f, "d{dim}")?,
                Axis::Part {
                    dim,
                    start,
                    count,
                    step,
                } => write!(f, "d{dim} from {start} count {count} step {step}")?,
            }
        }
        f.write_char(']')?;
        self.at
            .iter()
            .try_for_each(|(dim, index)| write!(f, " d{dim} at {index}"))
    }
}

/// `:8c` for items of 8 bytes in C order.
impl Display for Item {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(
            f,
            ":{}{}",
            self.size,
            format!("{:?}", self.layout).to_ascii_lowercase()
        )?;
        if u32::from(self.align) != self.size {
            write!(f, "/{}", self.align)
        } else {
            Ok(())
        }
    }
}

/// `v3:8c[d0, d1?, d2*]`; a question mark where it may be stretched, a star where it is.
impl Display for Access {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}[", self.array, self.item)?;
        list(
            f,
            self.dims
                .iter()
                .map(|a| format!("d{}{}", a.dim, ["", "?", "*"][a.stretch as usize])),
        )?;
        f.write_char(']')
    }
}

/// `[shape], [strides]`
fn dimensions(f: &mut Formatter<'_>, shape: &[Value], strides: &[Value]) -> fmt::Result {
    f.write_char('[')?;
    list(f, shape)?;
    f.write_str("], [")?;
    list(f, strides)?;
    f.write_char(']')
}

impl Display for Target {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.block)?;
        if !self.args.is_empty() {
            f.write_char('(')?;
            list(f, &self.args)?;
            f.write_char(')')?;
        }
        Ok(())
    }
}

impl Display for Term {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Term::Missing => f.write_str("missing"),
            Term::Jump(target) => write!(f, "jump {target}"),
            Term::Branch {
                cond,
                then,
                other,
                hint,
            } => {
                let hint = match hint {
                    Hint::None => "",
                    Hint::Unlikely => ".unlikely",
                    Hint::Likely => ".likely",
                };
                write!(f, "branch{hint} {cond}, {then}, {other}")
            }
            Term::Switch {
                value,
                cases,
                default,
            } => {
                write!(f, "switch {value}, [")?;
                for (i, (case, target)) in cases.iter().enumerate() {
                    write!(f, "{}{case}: {target}", if i > 0 { ", " } else { "" })?;
                }
                write!(f, "], {default}")
            }
            Term::Return(values) if values.is_empty() => f.write_str("return"),
            Term::Return(values) => {
                f.write_str("return ")?;
                list(f, values)
            }
            Term::Throw(error) => write!(f, "throw {error}"),
            Term::Unreachable => f.write_str("unreachable"),
        }
    }
}

impl Display for PoolEntry {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            PoolEntry::Location {
                file,
                function,
                line,
                column,
            } => {
                write!(f, "location {file:?} {function:?} {line}:{column}")
            }
            PoolEntry::Str(text) => write!(f, "str {text:?}"),
            PoolEntry::Bytes(content) => write!(f, "bytes \"{}\"", content.escape_ascii()),
            PoolEntry::Object(object) => write!(f, "object {}", object.0),
            PoolEntry::Array(object) => write!(f, "array {}", object.0),
            PoolEntry::Function { function, ty } => write!(f, "function {} {ty}", function.0),
            PoolEntry::Foreign(object) => write!(f, "foreign {}", object.0),
        }
    }
}

impl Function {
    /// ` ; f:3:7, g:10:1` for a location, when asked for.
    fn write_location(&self, f: &mut Formatter<'_>, id: LocId) -> fmt::Result {
        if !f.alternate() {
            return Ok(());
        }
        let mut next = Some(id);
        let mut separator = "  ; ";
        // A chain is no longer than the table, even in a function that would not verify.
        for _ in 0..self.locs.len() {
            let Some(loc) = next.and_then(|id| self.locs.get(id.index())) else {
                break;
            };
            write!(f, "{separator}{}:{}:{}", loc.function, loc.line, loc.column)?;
            separator = ", ";
            next = loc.inlined_at;
        }
        Ok(())
    }

    /// `v1: i64`; the type is `?` for a value that the function does not know.
    fn write_typed(&self, f: &mut Formatter<'_>, values: &[Value]) -> fmt::Result {
        for (i, v) in values.iter().enumerate() {
            f.write_str(if i > 0 { ", " } else { "" })?;
            match self.values.get(v.index()) {
                Some(ty) => write!(f, "{v}: {ty}")?,
                None => write!(f, "{v}: ?")?,
            }
        }
        Ok(())
    }

    /// An instruction on a line of its own; a nest's body on lines between braces.
    fn write_inst(&self, f: &mut Formatter<'_>, inst: &Inst, indent: &str) -> fmt::Result {
        f.write_str(indent)?;
        if !inst.results.is_empty() {
            self.write_typed(f, &inst.results)?;
            f.write_str(" = ")?;
        }
        write!(f, "{}", inst.op)?;
        if let Op::Nest(nest) = &inst.op {
            f.write_str(" {")?;
            self.write_location(f, inst.loc)?;
            f.write_char('\n')?;
            self.write_nest(f, nest, &format!("{indent}  "))?;
            return writeln!(f, "{indent}}}");
        }
        self.write_location(f, inst.loc)?;
        f.write_char('\n')
    }

    fn write_nest(&self, f: &mut Formatter<'_>, nest: &Nest, indent: &str) -> fmt::Result {
        for input in &nest.inputs {
            f.write_str(indent)?;
            self.write_typed(f, &input.elements)?;
            let copied = if input.copied { "copied " } else { "" };
            writeln!(f, " = {copied}item {}", input.access)?;
        }
        if !nest.indices.is_empty() {
            f.write_str(indent)?;
            self.write_typed(f, &nest.indices)?;
            f.write_str(" = indices\n")?;
        }
        for output in &nest.outputs {
            if let OutputKind::Reduce(r) = &output.kind {
                f.write_str(indent)?;
                self.write_typed(f, &r.accumulators)?;
                writeln!(f, " = carried from {}", Bracketed(&r.init))?;
            }
        }
        nest.insts
            .iter()
            .try_for_each(|inst| self.write_inst(f, inst, indent))?;
        for output in &nest.outputs {
            f.write_str(indent)?;
            match &output.kind {
                OutputKind::New(item) => write!(f, "new{item}")?,
                OutputKind::Store(access) => write!(f, "store {access}")?,
                OutputKind::Scatter(scatter) => write!(
                    f,
                    "scatter {}{} at {}",
                    scatter.array, scatter.item, scatter.at
                )?,
                OutputKind::Select(selection) => {
                    write!(f, "select new{} when {}", selection.item, selection.when)?
                }
                OutputKind::Reduce(r) => {
                    f.write_str(if r.pairwise {
                        "sum over ["
                    } else {
                        "carry over ["
                    })?;
                    list(
                        f,
                        (0..nest.extents.len())
                            .filter(|d| r.over >> d & 1 == 1)
                            .map(|d| format!("d{d}")),
                    )?;
                    f.write_char(']')?;
                    match (&r.item, &r.target) {
                        (_, Some(target)) => write!(f, " into {target}")?,
                        (Some(item), None) => write!(f, " new{item}")?,
                        (None, None) => {}
                    }
                }
            }
            f.write_str(", ")?;
            list(f, &output.values)?;
            f.write_char('\n')?;
        }
        nest.guards
            .iter()
            .try_for_each(|(i, o)| writeln!(f, "{indent}guard input {i}, output {o}"))?;
        nest.sources
            .iter()
            .try_for_each(|s| writeln!(f, "{indent}guard {}, output {}", s.array, s.output))
    }

    fn write_options(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let options = &self.options;
        let flags = [
            (self.may_raise, "may_raise"),
            (self.recursive, "recursive"),
            (options.numpy_errors, "numpy_errors"),
            (options.boundscheck, "boundscheck"),
            (options.always_inline, "always_inline"),
            (options.never_inline, "never_inline"),
            (options.parallel, "parallel"),
            (options.debug, "debug"),
            (options.nogil, "nogil"),
            (options.without.0 == Rewrites::ALL, "unfused"),
        ];
        for (_, name) in flags.iter().filter(|(set, _)| *set) {
            write!(f, " {name}")?;
        }
        if options.without.0 != Rewrites::ALL {
            let without = |(_, bit): &&(&str, u16)| options.without.has(*bit);
            for (name, _) in Rewrites::NAMES.iter().filter(without) {
                write!(f, " without_{name}")?;
            }
        }
        match options.fastmath.0 {
            0 => Ok(()),
            FastMath::FAST => f.write_str(" fast"),
            bits => {
                let names = ["nnan", "ninf", "nsz", "arcp", "contract", "afn", "reassoc"];
                let set = names
                    .iter()
                    .filter(|name| FastMath::flag(name).is_some_and(|b| bits & b != 0));
                set.into_iter().try_for_each(|name| write!(f, " {name}"))
            }
        }
    }
}

impl Display for Function {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "fn {:?} {}(", self.name, self.symbol)?;
        list(f, &self.params)?;
        f.write_str(") -> (")?;
        list(f, &self.results)?;
        f.write_char(')')?;
        self.write_options(f)?;
        f.write_str(" {\n")?;
        for (i, block) in self.blocks.iter().enumerate() {
            write!(f, "{}", BlockId(i as u32))?;
            if !block.params.is_empty() {
                f.write_char('(')?;
                self.write_typed(f, &block.params)?;
                f.write_char(')')?;
            }
            f.write_str(":\n")?;
            block
                .insts
                .iter()
                .try_for_each(|inst| self.write_inst(f, inst, "  "))?;
            write!(f, "  {}", block.term)?;
            match block.rounds {
                Rounds::Unknown => {}
                Rounds::Independent => f.write_str(", rounds independent")?,
                Rounds::Chained => f.write_str(", rounds chained")?,
                Rounds::Rare => f.write_str(", rounds rare")?,
            }
            self.write_location(f, block.term_loc)?;
            f.write_char('\n')?;
        }
        f.write_str("}\n")
    }
}

impl Display for Program {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str("entries ")?;
        list(f, &self.entries)?;
        f.write_char('\n')?;
        for (i, entry) in self.pool.iter().enumerate() {
            writeln!(f, "{} = {entry}", PoolId(i as u32))?;
        }
        for (i, function) in self.functions.iter().enumerate() {
            write!(f, "\n{} = ", FuncId(i as u32))?;
            Display::fmt(function, f)?;
        }
        Ok(())
    }
}
