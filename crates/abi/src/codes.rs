//! Every diagnostic of the compiler: its stable code, the Python class it becomes, one line about it.
//! Each row has a page `docs/errors/<code>.md`.

/// The class under `ferdelance.errors` that a diagnostic is raised as.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ErrorClass {
    TypingError,
    UnsupportedError,
    NumbaTypeError,
    NumbaValueError,
    /// A bug of ours.
    InternalError,
    /// The builtin `SyntaxError`.
    SyntaxError,
}

impl ErrorClass {
    /// The class's name in Python.
    pub const fn name(self) -> &'static str {
        match self {
            ErrorClass::TypingError => "TypingError",
            ErrorClass::UnsupportedError => "UnsupportedError",
            ErrorClass::NumbaTypeError => "NumbaTypeError",
            ErrorClass::NumbaValueError => "NumbaValueError",
            ErrorClass::InternalError => "InternalError",
            ErrorClass::SyntaxError => "SyntaxError",
        }
    }
}

macro_rules! codes {
    ($(#[doc = $doc:literal] $variant:ident $code:literal $class:ident;)*) => {
        /// A diagnostic code.
        #[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
        pub enum Code { $(#[doc = $doc] $variant,)* }

        impl Code {
            /// Every code.
            pub const ALL: &'static [Code] = &[$(Code::$variant),*];

            /// The stable kebab-case name; also the name of the page.
            pub const fn name(self) -> &'static str {
                match self { $(Code::$variant => $code),* }
            }

            /// One line about it.
            pub const fn summary(self) -> &'static str {
                match self { $(Code::$variant => $doc.trim_ascii()),* }
            }

            /// What Python raises.
            pub const fn class(self) -> ErrorClass {
                match self { $(Code::$variant => ErrorClass::$class),* }
            }
        }
    };
}

codes! {
    /// A name that is no local, global or builtin.
    UnknownName "unknown-name" TypingError;
    /// An attribute or method that the type does not have.
    UnknownAttribute "unknown-attribute" TypingError;
    /// An operator that is not defined for these types.
    NoOperator "no-operator" TypingError;
    /// A value that cannot be called.
    NotCallable "not-callable" TypingError;
    /// Arguments that no form of the function takes.
    BadArguments "bad-arguments" TypingError;
    /// Too many, too few or unknown arguments.
    ArgumentCount "argument-count" TypingError;
    /// A value whose type is not supported at all.
    UnsupportedValue "unsupported-value" TypingError;
    /// A variable, a return value or an element would need two unrelated types.
    CannotUnify "cannot-unify" TypingError;
    /// An index of a type that cannot index, or out of the bounds of a tuple.
    BadIndex "bad-index" TypingError;
    /// Assignment into something immutable.
    ReadOnly "read-only" TypingError;
    /// A value that cannot be converted to the type it must have.
    CannotConvert "cannot-convert" TypingError;
    /// Something that cannot be iterated or unpacked.
    NotIterable "not-iterable" TypingError;
    /// A recursion whose types do not settle, or that never returns.
    RecursiveType "recursive-type" TypingError;
    /// A value that must be known when compiling.
    NotConstant "not-constant" TypingError;
    /// `raise` of something that is no exception.
    NotAnException "not-an-exception" TypingError;
    /// Syntax or a feature of Python that compiled code does not have.
    UnsupportedSyntax "unsupported-syntax" UnsupportedError;
    /// A function of a supported library that is not supported itself.
    UnsupportedFunction "unsupported-function" TypingError;
    /// No source text can be found for a function.
    NoSource "no-source" UnsupportedError;
    /// The text found does not parse.
    BadSource "bad-source" SyntaxError;
    /// A local variable that is read before anything was assigned to it.
    Unbound "unbound-variable" TypingError;
    /// A bug of ours.
    Internal "internal" InternalError;
}
