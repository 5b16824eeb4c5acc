//! Which variable a name means, and which variables inner functions share.
//!
//! One walk over a definition before it is built. Names are interned ([`Sym`]); every scope has a
//! table of the names that occur in it. Events (a binding, the creation of an inner function) carry
//! a position in evaluation order and the outermost loop around them; the two decide whether an
//! inner function can capture a variable's value or has to share a cell (see [`Scopes::link`]).

use std::rc::Rc;

use rustc_hash::{FxHashMap, FxHashSet};

use super::Definition;
use crate::hir::Name;
use crate::syntax::ast::visitor::{self, Visitor};
use crate::syntax::ast::{self, Expr, Pattern, Stmt};
use crate::syntax::{Ranged, TextRange};

/// An interned name.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(super) struct Sym(u32);

/// A function or comprehension.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(super) struct ScopeId(u32);

/// A variable: a name in the scope that binds it. SSA construction adds nameless ones after these.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub(super) struct Var(pub(super) u32);

/// What a name means at a place.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Meaning {
    /// A variable of this function or an enclosing one.
    Var(Var),
    /// A closure cell of the Python function: a constant.
    Free,
    Global,
    /// Declared `global` in the source.
    DeclaredGlobal,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Declared {
    No,
    Global,
    Nonlocal,
}

/// A name in a scope's table.
struct Entry {
    var: Option<Var>,
    declared: Declared,
    /// Bound here although declared `nonlocal`: the owner's variable must be a cell.
    rebound: bool,
}

/// The place of an event in a function's evaluation order.
#[derive(Clone, Copy)]
struct Moment {
    position: u32,
    /// The outermost loop around it in its function; 0: none.
    outer_loop: u32,
}

struct Scope {
    parent: Option<ScopeId>,
    /// The function that this scope is, or is inlined into.
    function: ScopeId,
    table: FxHashMap<Sym, Entry>,
    /// The names of `table` in the order of their first occurrence.
    order: Vec<Sym>,
    created: Moment,
    /// Variables of enclosing functions, in the order of their first use.
    captures: Vec<Var>,
    /// There is a `yield` in it.
    yields: bool,
    /// Variables of this very scope that inner functions share.
    cells: Vec<Var>,
}

pub(super) struct VarData {
    pub(super) sym: Sym,
    pub(super) scope: ScopeId,
    /// Shared with inner functions as a mutable cell.
    pub(super) cell: bool,
    /// Loses its value somewhere: `del x`, the end of `except ... as x`.
    pub(super) deleted: bool,
    last_bound: u32,
    /// The outermost loops with a binding in them.
    bound_in: Vec<u32>,
}

pub(super) struct Scopes<'a> {
    syms: FxHashMap<&'a str, Sym>,
    names: Vec<Name>,
    scopes: Vec<Scope>,
    by_range: FxHashMap<TextRange, ScopeId>,
    pub(super) vars: Vec<VarData>,
    free: FxHashSet<Sym>,
}

impl<'a> Scopes<'a> {
    /// Analyses a definition and everything in it. Its own scope is [`Scopes::ROOT`].
    pub(super) fn of(definition: Definition<'a>, free_vars: &'a [Name]) -> Scopes<'a> {
        let mut scopes = Scopes {
            syms: FxHashMap::default(),
            names: Vec::new(),
            scopes: Vec::new(),
            by_range: FxHashMap::default(),
            vars: Vec::new(),
            free: FxHashSet::default(),
        };
        for name in free_vars {
            let sym = scopes.sym(name);
            scopes.free.insert(sym);
        }
        let mut walk = Walk {
            scopes,
            scope: ScopeId(0),
            position: 0,
            loops: 0,
            outer_loop: 0,
        };
        walk.function(definition, None);
        let mut scopes = walk.scopes;
        scopes.link();
        scopes
    }

    pub(super) const ROOT: ScopeId = ScopeId(0);

    pub(super) fn sym(&mut self, name: &'a str) -> Sym {
        if let Some(&sym) = self.syms.get(name) {
            return sym;
        }
        let sym = Sym(self.names.len() as u32);
        self.names.push(name.into());
        self.syms.insert(name, sym);
        sym
    }

    /// The symbol of a name that has occurred.
    pub(super) fn find(&self, name: &str) -> Option<Sym> {
        self.syms.get(name).copied()
    }

    /// The interned text of a name.
    pub(super) fn name(&mut self, name: &'a str) -> Name {
        let sym = self.sym(name);
        self.names[sym.0 as usize].clone()
    }

    pub(super) fn text(&self, sym: Sym) -> &Name {
        &self.names[sym.0 as usize]
    }

    /// The names of all variables, by their numbers.
    pub(super) fn var_names(&self) -> Rc<[Name]> {
        self.vars.iter().map(|v| self.text(v.sym).clone()).collect()
    }

    /// The scope that a function definition, lambda or comprehension makes.
    pub(super) fn scope_of(&self, range: TextRange) -> ScopeId {
        self.by_range[&range]
    }

    pub(super) fn captures(&self, function: ScopeId) -> &[Var] {
        &self.scopes[function.0 as usize].captures
    }

    pub(super) fn cells(&self, scope: ScopeId) -> &[Var] {
        &self.scopes[scope.0 as usize].cells
    }

    /// Whether a function is a generator.
    pub(super) fn yields(&self, function: ScopeId) -> bool {
        self.scopes[function.0 as usize].yields
    }

    /// The function that a scope is in.
    pub(super) fn function_of(&self, scope: ScopeId) -> ScopeId {
        self.scopes[scope.0 as usize].function
    }

    pub(super) fn resolve(&self, scope: ScopeId, sym: Sym) -> Meaning {
        let mut at = Some(scope);
        while let Some(id) = at {
            let scope = &self.scopes[id.0 as usize];
            match scope.table.get(&sym) {
                Some(Entry {
                    declared: Declared::Global,
                    ..
                }) => return Meaning::DeclaredGlobal,
                Some(Entry { var: Some(var), .. }) => return Meaning::Var(*var),
                _ => at = scope.parent,
            }
        }
        if self.free.contains(&sym) {
            Meaning::Free
        } else {
            Meaning::Global
        }
    }

    /// Finds captured variables, and which of them have to be cells.
    ///
    /// A value can be captured when it is final at the moment the inner function is made: every
    /// binding comes earlier, and none is in a loop that the creation is in as well (the next
    /// iteration would bind again). An inner function's own name is bound after it is made.
    fn link(&mut self) {
        let mut seen = FxHashSet::default();
        for index in 0..self.scopes.len() {
            let start = ScopeId(index as u32);
            for k in 0..self.scopes[index].order.len() {
                let sym = self.scopes[index].order[k];
                let entry = &self.scopes[index].table[&sym];
                if entry.var.is_some() || entry.declared == Declared::Global {
                    continue;
                }
                let rebound = entry.rebound;
                let Meaning::Var(var) = self.resolve(start, sym) else {
                    continue;
                };
                self.capture(start, var, rebound, &mut seen);
            }
        }
        for (index, data) in self.vars.iter().enumerate() {
            if data.cell {
                self.scopes[data.scope.0 as usize]
                    .cells
                    .push(Var(index as u32));
            }
        }
    }

    fn capture(
        &mut self,
        from: ScopeId,
        var: Var,
        rebound: bool,
        seen: &mut FxHashSet<(ScopeId, Var)>,
    ) {
        let owner = self.function_of(self.vars[var.0 as usize].scope);
        let mut function = self.function_of(from);
        while function != owner {
            let data = &mut self.scopes[function.0 as usize];
            if seen.insert((function, var)) {
                data.captures.push(var);
            }
            let created = data.created;
            let Some(parent) = data.parent else { return };
            function = self.function_of(parent);
            if function == owner {
                let data = &mut self.vars[var.0 as usize];
                data.cell |= rebound
                    || data.last_bound > created.position
                    || created.outer_loop != 0 && data.bound_in.contains(&created.outer_loop);
            }
        }
    }
}

/// The walk that fills the tables.
struct Walk<'a> {
    scopes: Scopes<'a>,
    scope: ScopeId,
    position: u32,
    /// Loops met so far.
    loops: u32,
    outer_loop: u32,
}

impl<'a> Walk<'a> {
    fn moment(&mut self) -> Moment {
        self.position += 1;
        Moment {
            position: self.position,
            outer_loop: self.outer_loop,
        }
    }

    fn open(&mut self, range: TextRange, parent: Option<ScopeId>, is_function: bool) -> ScopeId {
        let created = self.moment();
        let id = ScopeId(self.scopes.scopes.len() as u32);
        let function = match parent {
            Some(parent) if !is_function => self.scopes.function_of(parent),
            _ => id,
        };
        self.scopes.scopes.push(Scope {
            parent,
            function,
            table: FxHashMap::default(),
            order: Vec::new(),
            created,
            captures: Vec::new(),
            yields: false,
            cells: Vec::new(),
        });
        self.scopes.by_range.insert(range, id);
        id
    }

    fn entry(&mut self, scope: ScopeId, sym: Sym) -> &mut Entry {
        let Scope { table, order, .. } = &mut self.scopes.scopes[scope.0 as usize];
        table.entry(sym).or_insert_with(|| {
            order.push(sym);
            Entry {
                var: None,
                declared: Declared::No,
                rebound: false,
            }
        })
    }

    fn mention(&mut self, name: &'a str) {
        let sym = self.scopes.sym(name);
        self.entry(self.scope, sym);
    }

    fn declare(&mut self, name: &'a str, declared: Declared) {
        let sym = self.scopes.sym(name);
        self.entry(self.scope, sym).declared = declared;
    }

    fn bind(&mut self, name: &'a str) {
        self.bind_in(self.scope, name);
    }

    /// A name that is bound, and loses its value.
    fn unbind(&mut self, name: &'a str) {
        self.bind(name);
        let sym = self.scopes.sym(name);
        if let Some(var) = self.entry(self.scope, sym).var {
            self.scopes.vars[var.0 as usize].deleted = true;
        }
    }

    fn bind_in(&mut self, scope: ScopeId, name: &'a str) {
        let sym = self.scopes.sym(name);
        let Moment {
            position,
            outer_loop,
        } = self.moment();
        let next = Var(self.scopes.vars.len() as u32);
        let entry = self.entry(scope, sym);
        if entry.declared != Declared::No {
            entry.rebound = true;
            return;
        }
        let var = *entry.var.get_or_insert(next);
        if var == next {
            let data = VarData {
                sym,
                scope,
                cell: false,
                deleted: false,
                last_bound: position,
                bound_in: Vec::new(),
            };
            self.scopes.vars.push(data);
        }
        let data = &mut self.scopes.vars[var.0 as usize];
        data.last_bound = position;
        if outer_loop != 0 && data.bound_in.last() != Some(&outer_loop) {
            data.bound_in.push(outer_loop);
        }
    }

    fn in_loop(&mut self, f: impl FnOnce(&mut Self)) {
        let saved = self.outer_loop;
        if saved == 0 {
            self.loops += 1;
            self.outer_loop = self.loops;
        }
        f(self);
        self.outer_loop = saved;
    }

    fn defaults(&mut self, parameters: Option<&'a ast::Parameters>) {
        let all = parameters
            .into_iter()
            .flat_map(ast::Parameters::iter_non_variadic_params);
        for default in all.filter_map(|p| p.default()) {
            self.visit_expr(default);
        }
    }

    fn function(&mut self, definition: Definition<'a>, parent: Option<ScopeId>) {
        let id = self.open(definition.range(), parent, true);
        let saved = (self.scope, self.outer_loop);
        (self.scope, self.outer_loop) = (id, 0);
        for parameter in definition
            .parameters()
            .into_iter()
            .flat_map(ast::Parameters::iter)
        {
            self.bind(parameter.name().as_str());
        }
        match definition {
            Definition::Def(def) => self.visit_body(&def.body),
            Definition::Lambda(lambda) => self.visit_expr(&lambda.body),
            // Never the outermost, nor walked by this function: see `generator`.
            Definition::Generator(_) => {}
        }
        (self.scope, self.outer_loop) = saved;
    }

    /// The first iterable belongs to the scope around; everything else to the comprehension's.
    fn comprehension(
        &mut self,
        range: TextRange,
        generators: &'a [ast::Comprehension],
        items: [Option<&'a Expr>; 2],
    ) {
        let Some(first) = generators.first() else {
            return;
        };
        self.visit_expr(&first.iter);
        let outer = self.scope;
        self.scope = self.open(range, Some(outer), false);
        self.loop_of(generators, items);
        self.scope = outer;
    }

    /// The loop of a comprehension, without its first iterable.
    fn loop_of(&mut self, generators: &'a [ast::Comprehension], items: [Option<&'a Expr>; 2]) {
        let Some((first, rest)) = generators.split_first() else {
            return;
        };
        self.in_loop(|walk| {
            walk.visit_expr(&first.target);
            first.ifs.iter().for_each(|e| walk.visit_expr(e));
            for generator in rest {
                walk.visit_expr(&generator.iter);
                walk.visit_expr(&generator.target);
                generator.ifs.iter().for_each(|e| walk.visit_expr(e));
            }
            items.into_iter().flatten().for_each(|e| walk.visit_expr(e));
        });
    }

    fn yields(&mut self) {
        let function = self.scopes.function_of(self.scope);
        self.scopes.scopes[function.0 as usize].yields = true;
    }

    /// A generator expression is a function that gets the first iterable as its argument. One that is
    /// consumed `at_once` sees the variables around it as they are where it is made.
    fn generator(&mut self, node: &'a ast::ExprGenerator, at_once: bool) {
        let Some(first) = node.generators.first() else {
            return;
        };
        self.visit_expr(&first.iter);
        let id = self.open(node.range(), Some(self.scope), true);
        if at_once {
            self.scopes.scopes[id.0 as usize].created = Moment {
                position: u32::MAX,
                outer_loop: 0,
            };
        }
        let saved = (self.scope, self.outer_loop);
        (self.scope, self.outer_loop) = (id, 0);
        self.yields();
        self.loop_of(&node.generators, [Some(&*node.elt), None]);
        (self.scope, self.outer_loop) = saved;
    }
}

impl<'a> Visitor<'a> for Walk<'a> {
    fn visit_stmt(&mut self, stmt: &'a Stmt) {
        match stmt {
            Stmt::FunctionDef(def) => {
                def.decorator_list
                    .iter()
                    .for_each(|d| self.visit_expr(&d.expression));
                self.defaults(Some(&def.parameters));
                self.function(Definition::Def(def), Some(self.scope));
                self.bind(def.name.as_str());
            }
            // Refused when it is built; its name is a local all the same.
            Stmt::ClassDef(def) => self.bind(def.name.as_str()),
            Stmt::For(node) => {
                self.visit_expr(&node.iter);
                self.in_loop(|walk| {
                    walk.visit_expr(&node.target);
                    walk.visit_body(&node.body);
                });
                self.visit_body(&node.orelse);
            }
            Stmt::While(node) => {
                self.in_loop(|walk| {
                    walk.visit_expr(&node.test);
                    walk.visit_body(&node.body);
                });
                self.visit_body(&node.orelse);
            }
            Stmt::AugAssign(node) => {
                if let Expr::Name(name) = &*node.target {
                    self.mention(name.id.as_str());
                }
                visitor::walk_stmt(self, stmt);
            }
            Stmt::AnnAssign(node) => {
                if let Some(value) = &node.value {
                    self.visit_expr(value);
                }
                self.visit_expr(&node.target);
            }
            Stmt::Import(node) => {
                for alias in &node.names {
                    let name = alias.asname.as_ref().unwrap_or(&alias.name);
                    self.bind(name.as_str().split('.').next().unwrap_or_default());
                }
            }
            Stmt::ImportFrom(node) => {
                for alias in &node.names {
                    self.bind(alias.asname.as_ref().unwrap_or(&alias.name).as_str());
                }
            }
            Stmt::Global(node) => {
                node.names
                    .iter()
                    .for_each(|n| self.declare(n.as_str(), Declared::Global));
            }
            Stmt::Nonlocal(node) => {
                node.names
                    .iter()
                    .for_each(|n| self.declare(n.as_str(), Declared::Nonlocal));
            }
            _ => visitor::walk_stmt(self, stmt),
        }
    }

    fn visit_except_handler(&mut self, handler: &'a ast::ExceptHandler) {
        let ast::ExceptHandler::ExceptHandler(handler) = handler;
        if let Some(class) = &handler.type_ {
            self.visit_expr(class);
        }
        if let Some(name) = &handler.name {
            self.unbind(name.as_str());
        }
        self.visit_body(&handler.body);
    }

    fn visit_pattern(&mut self, pattern: &'a Pattern) {
        visitor::walk_pattern(self, pattern);
        let name = match pattern {
            Pattern::MatchAs(node) => node.name.as_ref(),
            Pattern::MatchStar(node) => node.name.as_ref(),
            Pattern::MatchMapping(node) => node.rest.as_ref(),
            _ => None,
        };
        if let Some(name) = name {
            self.bind(name.as_str());
        }
    }

    fn visit_expr(&mut self, expr: &'a Expr) {
        match expr {
            Expr::Name(node) => match node.ctx {
                ast::ExprContext::Store => self.bind(node.id.as_str()),
                ast::ExprContext::Del => self.unbind(node.id.as_str()),
                _ => self.mention(node.id.as_str()),
            },
            Expr::Named(node) => {
                self.visit_expr(&node.value);
                if let Expr::Name(name) = &*node.target {
                    // Out of comprehensions, into the function.
                    let function = self.scopes.function_of(self.scope);
                    self.bind_in(function, name.id.as_str());
                }
            }
            Expr::Lambda(node) => {
                self.defaults(node.parameters.as_deref());
                self.function(Definition::Lambda(node), Some(self.scope));
            }
            Expr::ListComp(node) => {
                self.comprehension(node.range(), &node.generators, [Some(&*node.elt), None]);
            }
            Expr::SetComp(node) => {
                self.comprehension(node.range(), &node.generators, [Some(&*node.elt), None]);
            }
            Expr::Generator(node) => self.generator(node, false),
            Expr::Call(call) if consumes(&call.func) => {
                self.visit_expr(&call.func);
                for arg in &call.arguments.args {
                    match arg {
                        Expr::Generator(node) => self.generator(node, true),
                        _ => self.visit_expr(arg),
                    }
                }
                for keyword in &call.arguments.keywords {
                    self.visit_expr(&keyword.value);
                }
            }
            Expr::DictComp(node) => {
                let items = [node.key.as_deref(), Some(&*node.value)];
                self.comprehension(node.range(), &node.generators, items);
            }
            Expr::Yield(_) | Expr::YieldFrom(_) => {
                self.yields();
                visitor::walk_expr(self, expr);
            }
            Expr::BinOp(_) => {
                // Sums of hundreds of terms are one long left spine: no recursion along it.
                let mut spine = Vec::new();
                let mut at = expr;
                while let Expr::BinOp(node) = at {
                    spine.push(&*node.right);
                    at = &*node.left;
                }
                self.visit_expr(at);
                spine
                    .into_iter()
                    .rev()
                    .for_each(|right| self.visit_expr(right));
            }
            _ => visitor::walk_expr(self, expr),
        }
    }
}

/// Functions and methods that are through with an iterable when they return.
const CONSUMERS: &[&str] = &[
    "all",
    "any",
    "dict",
    "extend",
    "fromiter",
    "frozenset",
    "fsum",
    "join",
    "list",
    "max",
    "min",
    "prod",
    "set",
    "sorted",
    "sum",
    "tuple",
    "update",
];

/// Whether a called function is one of those, by its name.
fn consumes(callee: &Expr) -> bool {
    let name = match callee {
        Expr::Name(name) => name.id.as_str(),
        Expr::Attribute(attribute) => attribute.attr.as_str(),
        _ => return false,
    };
    CONSUMERS.contains(&name)
}
