//! C++ at random: what two objects have in common, what each makes of it, and who uses both.
//!
//! All results depend on code alone: state is set to known values before it is counted.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use super::random::Random;

/// Functions that each side has for others.
const CALLS: usize = 4;

/// What a definition is that both sides may have.
#[derive(Clone, Copy, PartialEq, Debug)]
enum Kind {
    Function,
    /// A variable with a constant, and one with an initializer that has to run.
    Variable,
    Initialized,
    Template,
    /// A template's static member, with either.
    Member,
    InitializedMember,
    /// A function's static variable, with either.
    Local,
    InitializedLocal,
    /// A class with virtual functions, and one that is derived from it.
    Class,
    Literal,
    /// A variable that holds the address of the function in front.
    Pointer,
}

const KINDS: [Kind; 11] = [
    Kind::Function,
    Kind::Variable,
    Kind::Initialized,
    Kind::Template,
    Kind::Member,
    Kind::InitializedMember,
    Kind::Local,
    Kind::InitializedLocal,
    Kind::Class,
    Kind::Literal,
    Kind::Pointer,
];

#[derive(Clone, Debug)]
struct Item {
    kind: Kind,
    constant: usize,
    noinline: bool,
    /// Earlier ones that a function's body uses.
    uses: Vec<usize>,
}

/// What both sides include.
#[derive(Clone, Debug)]
pub(crate) struct Common {
    items: Vec<Item>,
    /// Tells the names of one program from another's.
    number: u64,
}

impl Common {
    pub(crate) fn new(number: u64, random: &mut Random) -> Self {
        let mut items: Vec<Item> = Vec::new();
        for at in 0..4 + random.below(8) {
            let mut kind = KINDS[random.below(KINDS.len())];
            if kind == Kind::Pointer && at.checked_sub(1).is_none_or(|before| items[before].kind != Kind::Function) {
                kind = Kind::Function;
            }
            let uses = if at == 0 { Vec::new() } else { (0..random.below(3)).map(|_| random.below(at)).collect() };
            let noinline = random.below(2) == 0;
            items.push(Item { kind, constant: random.below(1000), noinline, uses });
        }
        Self { items, number }
    }

    /// Another version, in which bodies and initial values are others.
    pub(crate) fn edited(&self, random: &mut Random) -> Self {
        let mut edited = self.clone();
        for item in &mut edited.items {
            if random.below(2) == 0 {
                item.constant = random.below(1000);
            }
        }
        edited
    }

    /// A statement that changes `h` and maybe the state of an item.
    fn term(&self, at: usize) -> String {
        let of = match self.items[at].kind {
            Kind::Function => format!("f{at}(x)"),
            Kind::Variable | Kind::Initialized => format!("(v{at} += x)"),
            Kind::Template => format!("(unsigned)t{at}<unsigned>(x) + (unsigned)t{at}<unsigned long long>(x)"),
            Kind::Member | Kind::InitializedMember => {
                format!("(M{at}<unsigned>::value += x) + (M{at}<unsigned long long>::value ^= x)")
            }
            Kind::Local | Kind::InitializedLocal => format!("(l{at}() += x)"),
            Kind::Class => format!("c{at}(x)"),
            Kind::Literal => format!("s{at}()[x & 3]"),
            Kind::Pointer => format!("p{at}(x)"),
        };
        format!("h = h * 31 + (unsigned)({of}); ")
    }

    /// The text that both have.
    fn text(&self) -> String {
        let mut text = format!("unsigned opaque(unsigned); namespace n{} {{\n", self.number);
        for (at, Item { kind, constant, noinline, uses }) in self.items.iter().enumerate() {
            let attribute = if *noinline { "__attribute__((noinline)) " } else { "" };
            let body: String = uses.iter().map(|&used| self.term(used)).collect();
            let body = format!("unsigned h = (unsigned)x + {constant}u; {body}return h;");
            let initial = self.initial(at);
            let line = match kind {
                Kind::Function => format!("{attribute}inline unsigned f{at}(unsigned x) {{ {body} }}"),
                Kind::Variable | Kind::Initialized => format!("inline unsigned v{at} = {initial};"),
                Kind::Template => format!("template <class T> {attribute}T t{at}(T x) {{ {body} }}"),
                Kind::Member | Kind::InitializedMember => format!(
                    "template <class T> struct M{at} {{ static T value; }}; \
                     template <class T> T M{at}<T>::value = {initial};"
                ),
                Kind::Local | Kind::InitializedLocal => {
                    format!(
                        "{attribute}inline unsigned &l{at}() {{ static unsigned value = {initial}; return value; }}"
                    )
                }
                Kind::Class => format!(
                    "struct B{at} {{ unsigned n; virtual unsigned get(unsigned x) {{ {body} }} \
                     virtual unsigned other(unsigned x) {{ return x + n; }} }}; \
                     struct D{at} : B{at} {{ unsigned get(unsigned x) override {{ return B{at}::get(x) ^ other(x); }} }}; \
                     {attribute}inline unsigned c{at}(unsigned x) {{ D{at} made; made.n = x; B{at} *volatile of = &made; \
                     return of->get(x) + of->other(x); }}"
                ),
                Kind::Literal => {
                    format!(
                        "{attribute}inline const char *s{at}() {{ return \"literal {} {constant}\"; }}",
                        self.number
                    )
                }
                Kind::Pointer => format!("inline unsigned (*p{at})(unsigned) = f{};", at - 1),
            };
            text += &line;
            text += "\n";
        }
        text + "}\n"
    }

    fn initial(&self, at: usize) -> String {
        let Item { kind, constant, .. } = self.items[at];
        let runs = matches!(kind, Kind::Initialized | Kind::InitializedMember | Kind::InitializedLocal);
        if runs { format!("opaque({constant}u)") } else { format!("{constant}u") }
    }

    /// All that an item needs, and itself.
    fn add_needed(&self, at: usize, needed: &mut BTreeSet<usize>) {
        if needed.insert(at) {
            let has_body = matches!(self.items[at].kind, Kind::Function | Kind::Template | Kind::Class);
            self.items[at].uses.iter().filter(|_| has_body).for_each(|&used| self.add_needed(used, needed));
            if self.items[at].kind == Kind::Pointer {
                self.add_needed(at - 1, needed);
            }
        }
    }

    /// The state of an item: what it is called, and its value at first.
    fn state(&self, at: usize) -> Vec<(String, usize)> {
        let names: &[&str] = match self.items[at].kind {
            Kind::Variable | Kind::Initialized => &["v#"],
            Kind::Member | Kind::InitializedMember => &["M#<unsigned>::value", "M#<unsigned long long>::value"],
            Kind::Local | Kind::InitializedLocal => &["l#()"],
            _ => &[],
        };
        names.iter().map(|name| (name.replace('#', &at.to_string()), self.items[at].constant)).collect()
    }

    /// What tells whether both sides have the same.
    fn address(&self, at: usize) -> String {
        match self.items[at].kind {
            Kind::Function => format!("(const void *)f{at}"),
            Kind::Template => {
                format!("(const void *)(unsigned long long (*)(unsigned long long))t{at}<unsigned long long>")
            }
            Kind::Class => format!("(const void *)c{at}"),
            Kind::Literal => format!("(const void *)s{at}"),
            Kind::Pointer => format!("&p{at}"),
            _ => format!("&{}", self.state(at)[0].0),
        }
    }

    /// Whether it is a function: what was linked with an old one keeps that.
    fn is_function(&self, at: usize) -> bool {
        matches!(self.items[at].kind, Kind::Function | Kind::Template | Kind::Class | Kind::Literal)
    }

    /// An object that uses some of it.
    pub(crate) fn side(&self, side: &str, random: &mut Random) -> String {
        let mut needed = BTreeSet::new();
        let mut functions = String::new();
        for call in 0..CALLS {
            let terms: Vec<usize> = (0..random.below(4)).map(|_| random.below(self.items.len())).collect();
            terms.iter().for_each(|&at| self.add_needed(at, &mut needed));
            let own = format!("h += own += x + {}; ", random.below(100));
            let terms: String = terms.iter().map(|&at| self.term(at)).collect();
            let _ = writeln!(
                functions,
                "unsigned {side}_{call}(unsigned x) {{ unsigned h = {call}; {own}{terms}return h; }}"
            );
        }
        let mut text = self.text();
        let _ = writeln!(text, "using namespace n{};\nstatic unsigned own; extern \"C\" {{", self.number);
        text += &functions;
        let state: Vec<_> = needed.iter().flat_map(|&at| self.state(at)).collect();
        let _ = writeln!(text, "unsigned {side}_initial() {{ unsigned h = own;");
        state.iter().for_each(|(name, _)| _ = writeln!(text, "h = h * 31 + (unsigned){name};"));
        let _ = writeln!(text, "return h; }}\nvoid {side}_reset() {{ own = 0;");
        state.iter().for_each(|(name, value)| _ = writeln!(text, "{name} = {value};"));
        // A variable that is kept has the address of what was linked with it.
        let pointers = needed.iter().filter(|&&at| self.items[at].kind == Kind::Pointer);
        pointers.for_each(|at| _ = writeln!(text, "p{at} = f{};", at - 1));
        let _ = writeln!(text, "}}\nconst void *{side}_address(int at) {{ switch (at) {{");
        needed.iter().for_each(|&at| _ = writeln!(text, "case {at}: return {};", self.address(at)));
        text + "default: return 0; } } }\n"
    }

    /// The object that uses both sides.
    pub(crate) fn user(&self, random: &mut Random) -> String {
        let mut text = String::from(
            "unsigned opaque(unsigned n) { static volatile unsigned zero; return n + zero; }\nextern \"C\" {\n",
        );
        for side in ["a", "b"] {
            for call in 0..CALLS {
                let _ = writeln!(text, "unsigned {side}_{call}(unsigned);");
            }
            let _ = writeln!(text, "unsigned {side}_initial(); void {side}_reset(); const void *{side}_address(int);");
        }
        text += "int initial() { unsigned h = a_initial(); return (int)(h * 31 + b_initial()); }\nint identity(int only) { int n = 0;\n";
        for at in 0..self.items.len() {
            let condition = if self.is_function(at) { "!only && " } else { "" };
            let _ = writeln!(
                text,
                "if ({condition}a_address({at}) && b_address({at}) && a_address({at}) != b_address({at})) n |= 1 << {at};"
            );
        }
        text += "return n; }\nint all_identity() { return identity(0); } int variables_identity() { return identity(1); }\n\
            int result() { unsigned h = 7; a_reset(); b_reset();\n";
        for _ in 0..16 {
            let (side, call, x) = (["a", "b"][random.below(2)], random.below(CALLS), random.below(50));
            let _ = writeln!(text, "h = h * 37 + {side}_{call}({x});");
        }
        text + "return (int)h; }\n}\n"
    }
}
