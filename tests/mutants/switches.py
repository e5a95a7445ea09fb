"""Writes the product with all its mutants in it at once, each behind a switch.

A mutant is built by itself in half a minute, and there are over a thousand. So they are built all
together: where a mutant changes an operator, the changed and the unchanged one stand side by side,
and `switch::on(17)` says whether mutant 17 is to be seen in this run. Operands are evaluated as
often, and in the same order, as before.
"""

import re
from dataclasses import dataclass, field

import tree_sitter_rust
from tree_sitter import Language, Parser

PARSER = Parser(Language(tree_sitter_rust.language()))

# The crate with the switches. A mutant is chosen by VN_MUTANT; with VN_REACHED, the numbers of the
# mutants that a run passes are written to that file.
SWITCH = """//! Says which mutant is to be seen in this run.
use std::fs::{File, OpenOptions};
use std::io::Write as _;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};

static CHOSEN: OnceLock<u32> = OnceLock::new();
static REACHED: OnceLock<Option<File>> = OnceLock::new();
static SEEN: [AtomicBool; 8192] = [const { AtomicBool::new(false) }; 8192];

pub fn on(mutant: u32) -> bool {
    let chosen = *CHOSEN.get_or_init(|| {
        std::env::var("VN_MUTANT").ok().and_then(|it| it.parse().ok()).unwrap_or(u32::MAX)
    });
    if chosen == u32::MAX && !SEEN[mutant as usize].swap(true, Ordering::Relaxed) {
        let file = REACHED.get_or_init(|| {
            let path = std::env::var("VN_REACHED").ok()?;
            OpenOptions::new().append(true).create(true).open(path).ok()
        });
        if let Some(mut file) = file.as_ref() {
            let _ = file.write_all(format!("{mutant}\\n").as_bytes());
        }
    }
    mutant == chosen
}
"""

ARITHMETIC = {"+", "-", "*", "/", "%", "|", "&", "^", "<<", ">>"}
COMPARISONS = {"==", "!=", "<", "<=", ">", ">="}


@dataclass
class Mutant:
    """A mutant of cargo-mutants, with its place in bytes."""

    number: int
    name: str
    package: str
    file: str
    genre: str
    replacement: str
    start: int
    end: int
    # Where it stands in the written file, once it does.
    written: list = field(default_factory=list)


def offset(lines, place):
    """The byte of a line and column, which count characters from 1."""
    line = lines[place["line"] - 1]
    before = sum(len(it.encode()) for it in lines[: place["line"] - 1])
    return before + len(line[: place["column"] - 1].encode())


def read(listed, root):
    """The mutants that cargo-mutants lists."""
    lines, mutants = {}, []
    for number, it in enumerate(listed):
        file = it["file"]
        if file not in lines:
            lines[file] = (root / file).read_text().splitlines(keepends=True)
        start, end = (offset(lines[file], it["span"][at]) for at in ("start", "end"))
        mutants.append(Mutant(number, it["name"], it["package"], file, it["genre"],
                              it["replacement"], start, end))
    return mutants


class File:
    """One source file with switches."""

    def __init__(self, source, mutants):
        self.source = source
        self.tree = PARSER.parse(source)
        self.at = {}
        for mutant in mutants:
            self.at.setdefault((mutant.start, mutant.end), []).append(mutant)
        self.placed = set()
        self.out = bytearray()

    def write(self):
        """The text of the file. The mutants that it holds are in `placed`."""
        self.node(self.tree.root_node)
        return bytes(self.out)

    # ------------------------------------------------------------ Parts

    def put(self, text):
        self.out += text.encode() if isinstance(text, str) else text

    def node(self, node):
        """Writes a node, with the switches in it."""
        form = {
            "function_item": self.function,
            "binary_expression": self.binary,
            "compound_assignment_expr": self.assignment,
            "unary_expression": self.unary,
            "match_arm": self.arm,
            "struct_expression": self.structure,
        }.get(node.type)
        begin = len(self.out)
        if not form or not form(node):
            self.between(node.children, node.start_byte, node.end_byte)
        if node.type == "match_expression":
            # Without a catch-all arm, the error is at the match and not at an arm.
            arms = node.child_by_field_name("body").children
            self.cover([it for arm in arms for it in self.gone(arm)], begin)

    def between(self, children, start, end):
        """Writes these children, and the text around them from `start` to `end`."""
        at = start
        for child in children:
            self.put(self.source[at:child.start_byte])
            self.node(child)
            at = child.end_byte
        self.put(self.source[at:end])

    def choose(self, mutants, one, otherwise):
        """Writes `if on(1) { … } else if on(2) { … } else { … }`."""
        for mutant in mutants:
            self.placed.add(mutant.number)
            start = len(self.out)
            self.put(f"if ::switch::on({mutant.number}) {{ {one(mutant)} }} else ")
            mutant.written.append((start, len(self.out)))
        self.put("{ ")
        otherwise()
        self.put(" }")

    def cover(self, mutants, start):
        """Notes that these mutants are in all that was written since `start`."""
        for mutant in mutants:
            mutant.written.append((start, len(self.out)))

    def function(self, node):
        body = node.child_by_field_name("body")
        mutants = [it for (start, end), its in self.at.items() for it in its
                   if it.genre == "FnValue" and body
                   and body.start_byte <= start and end <= body.end_byte
                   and self.is_innermost(body, start)]
        if not mutants or not self.can_return(node):
            return False
        begin = len(self.out)
        head = [child for child in node.children if child.start_byte < body.start_byte]
        self.between(head, node.start_byte, body.start_byte)
        # Attributes of the whole body come first in it.
        inner = [it for it in body.children if it.type == "inner_attribute_item"]
        after = inner[-1].end_byte if inner else body.start_byte + 1
        self.put(self.source[body.start_byte:after])
        for mutant in mutants:
            self.placed.add(mutant.number)
            start = len(self.out)
            self.put(f" if ::switch::on({mutant.number}) {{ return {mutant.replacement}; }} ")
            mutant.written.append((start, len(self.out)))
        rest = [it for it in body.children if after <= it.start_byte]
        self.between(rest, after, node.end_byte)
        self.cover(mutants, begin)
        return True

    @staticmethod
    def can_return(node):
        """Whether `if … { return … }` may stand in a function: not where it is evaluated while
        compiling, nor where all that it returns must be of one type that has no name."""
        modifiers = [it.text for it in node.children if it.type == "function_modifiers"]
        returned = node.child_by_field_name("return_type")
        return not (any(b"const" in it for it in modifiers)
                    or returned and b"impl " in returned.text)

    @staticmethod
    def is_innermost(body, start):
        """Whether a place belongs to this function, and to no function in it."""
        node = body.descendant_for_byte_range(start, start)
        while node and node.id != body.id:
            if node.type == "function_item" and body.start_byte < node.start_byte:
                return False
            node = node.parent
        return True

    def mutants_of(self, node, genre):
        return [it for it in self.at.get((node.start_byte, node.end_byte), [])
                if it.genre == genre]

    def binary(self, node):
        left, right = (node.child_by_field_name(it) for it in ("left", "right"))
        operator = node.child_by_field_name("operator")
        sign = operator.text.decode()
        mutants = self.mutants_of(operator, "BinaryOperator")
        if not mutants:
            return False
        begin = len(self.out)
        if sign in ("&&", "||"):
            # `l && R` is `if l { R } else { l }`, and `l || R` is `if !l { R } else { l }`.
            mutants = [it for it in mutants if it.replacement in ("&&", "||")]
            if not mutants or self.source[left.start_byte:left.end_byte].startswith(b"let "):
                return False
            mutant = mutants[0]
            self.placed.add(mutant.number)
            self.put("(match ")
            self.node(left)
            turned = "" if sign == "&&" else "!"
            self.put(f" {{ l => if ({turned}l) != ::switch::on({mutant.number}) {{ ")
            self.node(right)
            self.put(" } else { l } })")
        elif sign in COMPARISONS:
            self.put("(match (&(")
            self.node(left)
            self.put("), &(")
            self.node(right)
            self.put(")) { (l, r) => ")
            self.choose(mutants, lambda it: f"*l {it.replacement} *r", lambda: self.put(f"*l {sign} *r"))
            self.put(" })")
        else:
            self.put("(match ((")
            self.node(left)
            self.put("), (")
            self.node(right)
            self.put(")) { (l, r) => ")
            self.choose(mutants, lambda it: f"l {it.replacement} r", lambda: self.put(f"l {sign} r"))
            self.put(" })")
        self.cover(mutants, begin)
        return True

    def assignment(self, node):
        left, right = (node.child_by_field_name(it) for it in ("left", "right"))
        operator = node.child_by_field_name("operator")
        mutants = self.mutants_of(operator, "BinaryOperator")
        if not mutants:
            return False
        place, sign, begin = self.source[left.start_byte:left.end_byte].decode(), operator.text.decode(), len(self.out)
        self.put("{ let r = ")
        self.node(right)
        self.put("; ")
        self.choose(mutants, lambda it: f"{place} {it.replacement} r;",
                    lambda: self.put(f"{place} {sign} r;"))
        self.put(" }")
        self.cover(mutants, begin)
        return True

    def unary(self, node):
        operator, operand = node.children[0], node.children[-1]
        mutants = self.mutants_of(operator, "UnaryOperator")
        if not mutants:
            return False
        begin = len(self.out)
        self.put("(match ")
        self.node(operand)
        self.put(" { e => ")
        self.choose(mutants, lambda _: "e", lambda: self.put(f"{operator.text.decode()}e"))
        self.put(" })")
        self.cover(mutants, begin)
        return True

    def arm(self, node):
        pattern = node.child_by_field_name("pattern")
        guard = pattern.child_by_field_name("condition")
        gone = self.gone(node)
        guards = self.mutants_of(guard, "MatchArmGuard") if guard else []
        if not gone and not guards or guard and guard.type in ("let_condition", "let_chain"):
            return False
        head = pattern.children[0]
        begin = len(self.out)
        self.put(self.source[node.start_byte:head.start_byte])
        self.put(self.source[head.start_byte:head.end_byte])
        self.put(" if ")
        for mutant in gone:
            self.placed.add(mutant.number)
            self.put(f"!::switch::on({mutant.number}) && ")
        self.put("(")
        if guard and guards:
            self.choose(guards, lambda it: it.replacement, lambda: self.node(guard))
        elif guard:
            self.node(guard)
        else:
            self.put("true")
        self.put(")")
        self.cover(gone + guards, begin)
        rest = [it for it in node.children if pattern.end_byte <= it.start_byte]
        self.between(rest, pattern.end_byte, node.end_byte)
        return True


    def gone(self, arm):
        """The mutants without this arm. The place of some ends before its comma."""
        return [it for (start, _), its in self.at.items() for it in its
                if start == arm.start_byte and it.genre == "MatchArm"]

    def structure(self, node):
        """A field that a mutant leaves out has the value of the base, `..base`."""
        parts = node.child_by_field_name("body")
        bases = [it for it in parts.children if it.type == "base_field_initializer"]
        mutants = {it.start_byte: self.mutants_of(it, "StructField") for it in parts.children}
        if not bases or not any(mutants.values()):
            return False
        base = self.source[bases[0].start_byte:bases[0].end_byte].decode().removeprefix("..")
        if base == "Default::default()":
            base = f"{node.child_by_field_name('name').text.decode()}::default()"
        at = node.start_byte
        for child in parts.children:
            self.put(self.source[at:child.start_byte])
            at = child.end_byte
            here = mutants[child.start_byte]
            if not here:
                self.node(child)
                continue
            begin = len(self.out)
            value = child.child_by_field_name("value")
            name = child.text.decode().split(":")[0].strip()
            self.put(f"{name}: ")
            self.choose(here, lambda _: f"({base}).{name}",
                        lambda: self.node(value) if value else self.put(name))
            self.cover(here, begin)
        self.put(self.source[at:node.end_byte])
        return True


def with_switch(manifest):
    """A crate's manifest, with the crate of the switches among its dependencies."""
    return re.sub(r"^\[dependencies\]$", '[dependencies]\nswitch = { path = "SWITCH" }', manifest,
                  count=1, flags=re.MULTILINE)
