//! Typing of functions and methods that show the elements of an array in another shape or order.

use super::call::{ArgRef, Resolution};
use super::creation::{as_array, kept_layout, nested, new_like};
use super::intrinsic::{AxisOf, Intrinsic};
use super::numpy::{Args, dtype, order};
use super::op::{plain, ty_of};
use super::solve::Frame;
use super::{AbsVal, Session};
use crate::diag::{Code, Diagnostic, Result};
use crate::hir::Name;
use crate::host::Const;
use crate::types::{ArrayTy, Kind, Layout, Ty};

type Resolved = (AbsVal, Resolution);

/// Functions and methods of these names, and their parameters after the array.
const TABLE: &[(&str, &[&str])] = &[
    ("transpose", &["axes"]),
    ("permute_dims", &["axes"]),
    ("matrix_transpose", &[]),
    ("swapaxes", &["axis1", "axis2"]),
    ("moveaxis", &["source", "destination"]),
    ("rollaxis", &["axis", "start"]),
    ("expand_dims", &["axis"]),
    ("squeeze", &["axis"]),
    ("flip", &["axis"]),
    ("fliplr", &[]),
    ("flipud", &[]),
    ("rot90", &["k", "axes"]),
    ("atleast_1d", &[]),
    ("atleast_2d", &[]),
    ("atleast_3d", &[]),
    ("reshape", &["shape", "order"]),
    ("ravel", &["order"]),
    ("flatten", &["order"]),
    ("broadcast_to", &["shape"]),
    ("diagonal", &["offset", "axis1", "axis2"]),
    ("copy", &["order"]),
    ("astype", &["dtype", "order", "casting", "subok", "copy"]),
    ("view", &["dtype"]),
    // The prelude's: an array with the axes that a reduction is over last, and the result of a reduction
    // with these axes put back in.
    ("_reduced_last", &["axis"]),
    ("_expanded", &["axis", "ndim"]),
    // Likewise: with these axes last, in this order, and with so many of the first dimensions last.
    ("_axes_last", &["axes"]),
    ("_rotated", &["count"]),
    (
        "lib.stride_tricks.as_strided",
        &["shape", "strides", "subok", "writeable"],
    ),
];

/// Those that are methods.
pub(super) const METHODS: &[&str] = &[
    "transpose",
    "swapaxes",
    "squeeze",
    "reshape",
    "ravel",
    "flatten",
    "diagonal",
    "copy",
    "astype",
    "view",
];

/// Those that are methods only.
const NO_FUNCTIONS: &[&str] = &["flatten", "copy", "view"];

/// Those that the prelude has for axes that are known at run time only.
const ALSO_AT_RUN_TIME: &[&str] = &[
    "swapaxes",
    "moveaxis",
    "rollaxis",
    "expand_dims",
    "squeeze",
    "flip",
    "rot90",
];

/// A call being typed.
struct Call<'a> {
    frame: &'a Frame,
    name: &'a str,
    array: ArrayTy,
    args: Args<'a>,
}

impl Session<'_> {
    /// `np.name(array, ...)`, or with a receiver `array.name(...)`; `None` if it is none of these.
    pub(super) fn view_function(
        &self,
        frame: &Frame,
        name: &str,
        receiver: Option<Ty>,
        args: &[ArgRef],
        keywords: &[(Name, ArgRef)],
    ) -> Result<Option<Resolved>> {
        let Some(&(name, names)) = TABLE.iter().find(|(n, _)| *n == name) else {
            return Ok(None);
        };
        let (array, first, args) = match receiver {
            Some(ty) => (
                plain(ty).as_array().filter(|_| METHODS.contains(&name)),
                None,
                args,
            ),
            None if NO_FUNCTIONS.contains(&name) => return Ok(None),
            None => match args.split_first() {
                Some((first, rest)) => (as_array(first.ty()), Some(first), rest),
                None => return Ok(None),
            },
        };
        let Some(array) = array else { return Ok(None) };
        // `a.reshape(2, 3)` and `a.transpose(1, 0)` have their tuple spelled out.
        let spread = receiver.is_some()
            && matches!(name, "reshape" | "transpose")
            && args.iter().all(|a| a.ty().is_integral());
        let atleast = name.starts_with("atleast_") && !args.is_empty();
        let given = args.iter().chain(keywords.iter().map(|(_, a)| a));
        let variable = given.filter(|a| a.abs.constant.is_none()).count() > 0;
        if atleast || variable && ALSO_AT_RUN_TIME.contains(&name) {
            return Ok(None);
        }
        let (spread, args) = if spread {
            (args, &args[..0])
        } else {
            (&args[..0], args)
        };
        let call = Call {
            frame,
            name,
            array,
            args: Args {
                names,
                args,
                keywords,
            },
        };
        if let Some(what) = call.args.unknown() {
            return Err(call.error(format!("takes no {what}")));
        }
        let (ty, what, rest) = call.resolve(spread)?;
        let args = first.into_iter().cloned().chain(rest).collect();
        Ok(Some((
            AbsVal::of(ty),
            Resolution::Intrinsic {
                what,
                args,
                keywords: vec![],
            },
        )))
    }
}

impl Call<'_> {
    fn error(&self, message: impl AsRef<str>) -> Box<Diagnostic> {
        self.frame.error(
            Code::BadArguments,
            format!("{}() {}", self.name, message.as_ref()),
        )
    }

    fn resolve(&self, spread: &[ArgRef]) -> Result<(Ty, Intrinsic, Vec<ArgRef>)> {
        let ndim = usize::from(self.array.ndim);
        let all = |reverse: bool| -> Vec<usize> {
            if reverse {
                (0..ndim).rev().collect()
            } else {
                (0..ndim).collect()
            }
        };
        let axes = match self.name {
            "transpose" | "permute_dims" => match (self.given("axes"), spread) {
                (None, []) => permuted(all(true)),
                (None, ints) => self.permutation(
                    ints.iter()
                        .map(|a| self.axis_of(&a.abs, ndim))
                        .collect::<Result<Vec<_>>>()?,
                )?,
                (Some(axes), _) => match axes.abs.constant {
                    Some(_) => self.permutation(self.axes(axes, ndim)?)?,
                    None => return self.permutation_at_run_time(axes),
                },
            },
            "matrix_transpose" if ndim >= 2 => {
                let mut order = all(false);
                order.swap(ndim - 1, ndim - 2);
                permuted(order)
            }
            "swapaxes" => {
                let mut order = all(false);
                order.swap(self.axis("axis1", ndim)?, self.axis("axis2", ndim)?);
                permuted(order)
            }
            "moveaxis" => {
                let (from, to) = (
                    self.axes(self.needed("source")?, ndim)?,
                    self.axes(self.needed("destination")?, ndim)?,
                );
                if from.len() != to.len() {
                    return Err(self.error("needs as many destinations as sources"));
                }
                let mut order: Vec<usize> = (0..ndim).filter(|d| !from.contains(d)).collect();
                let mut moves: Vec<(usize, usize)> = to.into_iter().zip(from).collect();
                moves.sort_unstable();
                for (at, dim) in moves {
                    order.insert(at.min(order.len()), dim);
                }
                self.permutation(order)?
            }
            "rollaxis" => {
                let axis = self.axis("axis", ndim)?;
                let start = match self.given("start") {
                    Some(start) if self.int(&start.abs)? < 0 => self.axis_of(&start.abs, ndim)?,
                    Some(start) => self.axis_of(&start.abs, ndim + 1)?,
                    None => 0,
                };
                let mut order: Vec<usize> = (0..ndim).filter(|d| *d != axis).collect();
                order.insert(if start > axis { start - 1 } else { start }, axis);
                permuted(order)
            }
            "expand_dims" => {
                let axis = self.needed("axis")?;
                let count = axis.ty().tuple_items().map_or(1, <[Ty]>::len);
                let new = self.axes(axis, ndim + count)?;
                let mut old = 0..ndim as u8;
                (0..ndim + count)
                    .map(|d| {
                        if new.contains(&d) {
                            AxisOf::New
                        } else {
                            AxisOf::Whole(old.next().unwrap_or(0))
                        }
                    })
                    .collect()
            }
            "_reduced_last" => {
                let over = self.reduced(ndim)?;
                let kept = (0..ndim).filter(|d| !over.contains(d));
                permuted(kept.chain(over.iter().copied()).collect())
            }
            "_axes_last" => {
                let last = self.axes(self.needed("axes")?, ndim)?;
                let kept = (0..ndim).filter(|d| !last.contains(d));
                permuted(kept.chain(last.iter().copied()).collect())
            }
            "_rotated" => {
                let count = self.int(&self.needed("count")?.abs)? as usize;
                permuted((count..ndim).chain(0..count).collect())
            }
            "_expanded" => {
                let over = self.reduced(self.int(&self.needed("ndim")?.abs)? as usize)?;
                let mut old = 0..ndim as u8;
                (0..ndim + over.len())
                    .map(|d| {
                        if over.contains(&d) {
                            AxisOf::New
                        } else {
                            AxisOf::Whole(old.next().unwrap_or(0))
                        }
                    })
                    .collect()
            }
            "squeeze" => match self.given("axis") {
                Some(axis) => {
                    let gone = self.axes(axis, ndim)?;
                    (0..ndim)
                        .filter(|d| !gone.contains(d))
                        .map(|d| AxisOf::Whole(d as u8))
                        .collect()
                }
                None if ndim == 0 => vec![],
                None => {
                    return Err(self.frame.error(Code::NotConstant, "squeeze() needs an axis here: which dimensions have one item is not known before")
                        .help("name the axis, as in `np.squeeze(a, axis=0)`"));
                }
            },
            "flip" => {
                let flipped = match self.given("axis") {
                    Some(axis) => self.axes(axis, ndim)?,
                    None => all(false),
                };
                (0..ndim)
                    .map(|d| {
                        if flipped.contains(&d) {
                            AxisOf::Flipped(d as u8)
                        } else {
                            AxisOf::Whole(d as u8)
                        }
                    })
                    .collect()
            }
            "fliplr" | "flipud" => {
                let flipped = usize::from(self.name == "fliplr");
                if flipped >= ndim {
                    return Err(self.error(format!(
                        "needs an array of at least {} dimensions",
                        flipped + 1
                    )));
                }
                (0..ndim)
                    .map(|d| {
                        if d == flipped {
                            AxisOf::Flipped(d as u8)
                        } else {
                            AxisOf::Whole(d as u8)
                        }
                    })
                    .collect()
            }
            "rot90" => self.rotated(ndim)?,
            "atleast_1d" => at_least(1, ndim),
            "atleast_2d" => at_least(2, ndim),
            "atleast_3d" => at_least(3, ndim),
            _ => return self.other(spread),
        };
        let ty = ArrayTy {
            ndim: axes.len() as u8,
            layout: layout_of(self.array, &axes),
            ..self.array
        }
        .ty();
        Ok((ty, Intrinsic::Axes(axes.into()), vec![]))
    }

    /// What is more than a choice of axes.
    fn other(&self, spread: &[ArgRef]) -> Result<(Ty, Intrinsic, Vec<ArgRef>)> {
        let a = self.array;
        let given = self.given("order");
        let order = match order(self.frame, self.name, given)? {
            None if given.is_some() && a.layout == Layout::F => Some(Layout::F),
            found => found,
        };
        Ok(match self.name {
            "reshape" => {
                let dims: Vec<ArgRef> = if spread.is_empty() {
                    vec![self.needed("shape")?.clone()]
                } else {
                    spread.to_vec()
                };
                let ndim = match &dims[..] {
                    [one] => self.shape_rank(one.ty())?,
                    several => several.len() as u8,
                };
                let layout = if ndim <= 1 {
                    Layout::C
                } else {
                    order.unwrap_or(Layout::C)
                };
                (
                    ArrayTy { ndim, layout, ..a }.ty(),
                    Intrinsic::Reshape {
                        order: order.unwrap_or(Layout::C),
                    },
                    dims,
                )
            }
            "ravel" | "flatten" => {
                let layout = order.unwrap_or(Layout::C);
                let flat = ArrayTy {
                    ndim: 1,
                    layout: Layout::C,
                    ..a
                };
                let ty = if self.name == "flatten" {
                    new_like(flat, a.dtype, Layout::C)
                } else {
                    flat
                };
                (
                    ty.ty(),
                    Intrinsic::Flatten {
                        order: layout,
                        copy: self.name == "flatten",
                    },
                    vec![],
                )
            }
            "broadcast_to" => {
                let shape = self.needed("shape")?;
                let ndim = self.shape_rank(shape.ty())?;
                if ndim < a.ndim {
                    return Err(
                        self.error(format!("cannot broadcast {} to {ndim} dimensions", a.ty()))
                    );
                }
                (
                    ArrayTy {
                        ndim,
                        layout: Layout::A,
                        readonly: true,
                        ..a
                    }
                    .ty(),
                    Intrinsic::BroadcastTo,
                    vec![shape.clone()],
                )
            }
            "diagonal" => {
                let ndim = usize::from(a.ndim);
                let of = |name: &str, default: usize| {
                    self.given(name)
                        .map_or(Ok(default), |x| self.axis_of(&x.abs, ndim))
                };
                let dims = (of("axis1", 0)?, of("axis2", 1)?);
                if ndim < 2 || dims.0 == dims.1 {
                    return Err(self.error("needs two different axes"));
                }
                let ty = ArrayTy {
                    ndim: a.ndim - 1,
                    layout: Layout::A,
                    readonly: true,
                    ..a
                }
                .ty();
                (
                    ty,
                    Intrinsic::Diagonal {
                        dims: (dims.0 as u8, dims.1 as u8),
                    },
                    self.given("offset").into_iter().cloned().collect(),
                )
            }
            "copy" => (
                new_like(a, a.dtype, order.unwrap_or(Layout::C)).ty(),
                Intrinsic::NewFrom,
                vec![],
            ),
            "astype" => {
                let dtype = dtype(self.frame, Some(self.needed("dtype")?), a.dtype)?;
                let keeps = self
                    .given("copy")
                    .is_some_and(|c| c.abs.as_bool() == Some(false));
                if keeps && dtype == a.dtype && order.is_none() {
                    (a.ty(), Intrinsic::AsArray, vec![])
                } else {
                    (
                        new_like(a, dtype, order.unwrap_or_else(|| kept_layout(a))).ty(),
                        Intrinsic::NewFrom,
                        vec![],
                    )
                }
            }
            "view" => {
                let dtype = dtype(self.frame, self.given("dtype"), a.dtype)?;
                let (old, new) = (a.dtype.itemsize(), dtype.itemsize());
                if a.ndim == 0 && old != new {
                    return Err(self.error("changing the size of the elements needs a dimension"));
                }
                let layout = if old == new || a.layout == Layout::C {
                    a.layout
                } else {
                    Layout::A
                };
                let aligned = a.aligned && alignment(dtype) <= alignment(a.dtype);
                (
                    ArrayTy {
                        dtype,
                        layout,
                        aligned,
                        ..a
                    }
                    .ty(),
                    Intrinsic::Reinterpret,
                    vec![],
                )
            }
            "lib.stride_tricks.as_strided" => {
                let (shape, strides) = (self.given("shape"), self.given("strides"));
                let rank =
                    |arg: Option<&ArgRef>| arg.map_or(Ok(a.ndim), |arg| self.shape_rank(arg.ty()));
                let ndim = rank(shape)?;
                if rank(strides)? != ndim {
                    return Err(self.error("needs as many strides as dimensions"));
                }
                let readonly = self
                    .args
                    .get("writeable")
                    .is_some_and(|w| w.abs.as_bool() == Some(false));
                let ty = ArrayTy {
                    ndim,
                    layout: Layout::A,
                    readonly: a.readonly || readonly,
                    ..a
                };
                let what = Intrinsic::Strided {
                    shape: shape.is_some(),
                    strides: strides.is_some(),
                };
                let rest = shape.into_iter().chain(strides).cloned().collect();
                (ty.ty(), what, rest)
            }
            _ => return Err(self.error(format!("does not take {}", a.ty()))),
        })
    }

    fn rotated(&self, ndim: usize) -> Result<Vec<AxisOf>> {
        let k = match self.given("k") {
            None => 1,
            Some(k) => self.int(&k.abs)?.rem_euclid(4),
        };
        let (x, y) = match self.given("axes") {
            None if ndim >= 2 => (0, 1),
            Some(axes) => match self.axes(axes, ndim)?[..] {
                [x, y] if x != y => (x, y),
                _ => return Err(self.error("takes two different axes")),
            },
            None => return Err(self.error("needs an array of at least two dimensions")),
        };
        let mut axes = permuted((0..ndim).collect());
        match k {
            1 => (axes[x], axes[y]) = (AxisOf::Flipped(y as u8), AxisOf::Whole(x as u8)),
            2 => (axes[x], axes[y]) = (AxisOf::Flipped(x as u8), AxisOf::Flipped(y as u8)),
            3 => (axes[x], axes[y]) = (AxisOf::Whole(y as u8), AxisOf::Flipped(x as u8)),
            _ => {}
        }
        Ok(axes)
    }

    fn permutation(&self, order: Vec<usize>) -> Result<Vec<AxisOf>> {
        let ndim = usize::from(self.array.ndim);
        if order.len() != ndim || (0..ndim).any(|d| !order.contains(&d)) {
            return Err(self.error(format!("needs each axis of the {ndim} once")));
        }
        Ok(permuted(order))
    }

    fn permutation_at_run_time(&self, axes: &ArgRef) -> Result<(Ty, Intrinsic, Vec<ArgRef>)> {
        let ndim = self.array.ndim;
        let several = nested(axes.ty()).is_some_and(|(dtype, n)| dtype.is_int() && n == 1);
        if axes.ty().tuple_items().is_some() || !several {
            let given = self.shape_rank(axes.ty())?;
            if given != ndim {
                return Err(self.error(format!("needs {ndim} axes, not {given}")));
            }
        }
        let layout = if ndim <= 1 {
            self.array.layout
        } else {
            Layout::A
        };
        Ok((
            ArrayTy {
                layout,
                ..self.array
            }
            .ty(),
            Intrinsic::Permute,
            vec![axes.clone()],
        ))
    }

    /// An argument that is there and not None.
    fn given(&self, name: &str) -> Option<&ArgRef> {
        self.args.get(name).filter(|a| !a.ty().is_none())
    }

    fn needed(&self, name: &str) -> Result<&ArgRef> {
        self.given(name).ok_or_else(|| {
            self.frame.error(
                Code::ArgumentCount,
                format!("{}() misses its argument `{name}`", self.name),
            )
        })
    }

    /// The axes of a reduction of an array of `ndim` dimensions.
    fn reduced(&self, ndim: usize) -> Result<Vec<usize>> {
        match self.given("axis") {
            Some(axis) => self.axes(axis, ndim),
            None => Ok((0..ndim).collect()),
        }
    }

    fn axis(&self, name: &str, ndim: usize) -> Result<usize> {
        self.axis_of(&self.needed(name)?.abs, ndim)
    }

    fn int(&self, value: &AbsVal) -> Result<i64> {
        value.as_int().ok_or_else(|| {
            self.frame
                .error(
                    Code::NotConstant,
                    format!("the axes of {}() must be constants", self.name),
                )
                .note(format!("one is a value of type {}", ty_of(value)))
                .help("write the axis as a literal, or pass it through `literally`")
        })
    }

    fn axis_of(&self, value: &AbsVal, ndim: usize) -> Result<usize> {
        let axis = self.int(value)?;
        let at = if axis < 0 { axis + ndim as i64 } else { axis };
        if (0..ndim as i64).contains(&at) {
            return Ok(at as usize);
        }
        Err(self.frame.error(
            Code::BadIndex,
            format!("axis {axis} is out of bounds for array of dimension {ndim}"),
        ))
    }

    /// An axis, or several.
    fn axes(&self, arg: &ArgRef, ndim: usize) -> Result<Vec<usize>> {
        let axes = match &arg.abs.constant {
            Some(Const::Tuple(items)) => items
                .iter()
                .map(|c| self.axis_of(&AbsVal::literal(c.clone()), ndim))
                .collect::<Result<Vec<_>>>()?,
            _ => vec![self.axis_of(&arg.abs, ndim)?],
        };
        if (1..axes.len()).any(|i| axes[..i].contains(&axes[i])) {
            return Err(self.error("got an axis twice"));
        }
        Ok(axes)
    }

    /// The number of dimensions of a shape.
    fn shape_rank(&self, ty: Ty) -> Result<u8> {
        match ty.kind() {
            Kind::Tuple(items) | Kind::NamedTuple(_, items)
                if items.iter().all(|t| t.is_integral()) =>
            {
                Ok(items.len() as u8)
            }
            _ if ty.is_integral() => Ok(1),
            _ => Err(self.error(format!("takes an integer or a tuple of integers, not {ty}"))),
        }
    }
}

/// The axes with which an array of `ndim` dimensions has at least `least`, as `np.atleast_3d` and its like
/// put them.
pub(super) fn at_least(least: u8, ndim: usize) -> Vec<AxisOf> {
    let (new, whole) = (AxisOf::New, AxisOf::Whole);
    match (least, ndim) {
        (_, 0) => vec![new; usize::from(least)],
        (2, 1) => vec![new, whole(0)],
        (3, 1) => vec![new, whole(0), new],
        (3, 2) => vec![whole(0), whole(1), new],
        _ => permuted((0..ndim).collect()),
    }
}

fn alignment(dtype: Ty) -> u32 {
    if let Some(record) = dtype.as_record() {
        return if record.aligned { 8 } else { 1 };
    }
    if dtype.is_complex() {
        dtype.itemsize() / 2
    } else {
        dtype.itemsize()
    }
}

pub(super) fn permuted(order: Vec<usize>) -> Vec<AxisOf> {
    order.into_iter().map(|d| AxisOf::Whole(d as u8)).collect()
}

/// The layout of a view along these axes.
pub(super) fn layout_of(a: ArrayTy, axes: &[AxisOf]) -> Layout {
    let kept: Option<Vec<u8>> = axes
        .iter()
        .map(|axis| {
            if let AxisOf::Whole(d) = axis {
                Some(*d)
            } else {
                None
            }
        })
        .collect();
    let Some(kept) = kept else { return Layout::A };
    let (upwards, downwards) = (kept.is_sorted(), kept.iter().rev().is_sorted());
    match a.layout {
        // Dimensions that are left out have one item.
        Layout::C | Layout::F if kept.len() <= 1 => {
            if a.ndim <= 1 || kept.len() < usize::from(a.ndim) {
                Layout::C
            } else {
                a.layout
            }
        }
        layout if upwards => layout,
        Layout::C if downwards => Layout::F,
        Layout::F if downwards => Layout::C,
        _ => Layout::A,
    }
}
