//! interim
use std::sync::Arc;
use std::time::Duration;
use ferdelance_abi::settings::Options;
use ferdelance_compiler::{diag, hir, host::Host, tir::{self, Program}, types::{Kind, Ty}};

pub struct Request {
    pub module: Arc<hir::Module>,
    pub args: Vec<Ty>,
    pub result: Option<Ty>,
    pub options: Options,
    pub symbol: Arc<str>,
    pub locals: Vec<(Arc<str>, Ty)>,
}
pub struct Report;
impl Report {
    pub fn text(&self, _: &str) -> Option<String> { None }
    pub fn times(&self) -> Vec<(&'static str, Duration)> { vec![] }
}
pub struct Compiled { pub program: Program, pub result: Ty, pub report: Report }

fn flat(ty: Ty, out: &mut Vec<tir::Type>) {
    match ty.kind() {
        Kind::Bool => out.push(tir::Type::I1),
        Kind::Int { bits, .. } => out.push(tir::Type::int((*bits).into())),
        Kind::Float { bits: 32, .. } => out.push(tir::Type::F32),
        Kind::Float { .. } => out.push(tir::Type::F64),
        Kind::Complex { bits: 64, .. } => out.extend([tir::Type::F32; 2]),
        Kind::Complex { .. } => out.extend([tir::Type::F64; 2]),
        Kind::Str => out.push(tir::Type::Obj),
        Kind::Tuple(i) | Kind::NamedTuple(_, i) => i.iter().for_each(|&t| flat(t, out)),
        Kind::Optional(t) => { out.push(tir::Type::I1); flat(*t, out) }
        Kind::Array(a) => out.push(tir::Type::Array(a.ndim)),
        _ => {}
    }
}

pub fn compile(_host: &dyn Host, r: &Request) -> diag::Result<Compiled> {
    let mut params = vec![];
    r.args.iter().for_each(|&t| flat(t, &mut params));
    let result = match r.args.as_slice() { [one] => *one, many => Ty::tuple(many) };
    let mut b = tir::build::Builder::new(r.symbol.clone(), "identity".into(), &params, &params, r.options);
    let entry = tir::BlockId(0);
    b.switch_to(entry);
    let values: Vec<tir::Value> = (0..params.len()).map(|i| tir::Value(i as u32)).collect();
    let loc = tir::Loc { source: r.module.source.clone(), function: "identity".into(), function_line: 1, line: 1, column: 1, inlined_at: None };
    b.set_loc(loc);
    for (v, t) in values.iter().zip(&params) {
        if t.is_managed() { b.push(tir::Op::Retain(*v), &[]); }
    }
    b.terminate(tir::Term::Return(values.into_iter().collect()));
    let f = b.func;
    Ok(Compiled { program: Program { functions: vec![f], pool: vec![], entries: vec![tir::FuncId(0)] }, result, report: Report })
}
