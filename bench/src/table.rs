//! The tables that a run prints, in Markdown that is aligned for a terminal.

use std::fmt::Write as _;

/// A table with its title and notes.
pub(crate) struct Section {
    title: String,
    header: Vec<String>,
    rows: Vec<Vec<String>>,
    notes: Vec<String>,
}

impl Section {
    /// A section without rows. The names of its columns stand between ` | `.
    pub(crate) fn new(title: &str, header: &str) -> Self {
        let header = header.split(" | ").map(str::to_owned).collect();
        Self { title: title.to_owned(), header, rows: Vec::new(), notes: Vec::new() }
    }

    pub(crate) fn row(&mut self, cells: impl IntoIterator<Item = impl Into<String>>) {
        self.rows.push(cells.into_iter().map(Into::into).collect());
    }

    pub(crate) fn note(mut self, note: impl Into<String>) -> Self {
        self.notes.push(note.into());
        self
    }

    pub(crate) fn render(&self) -> String {
        let lines = || std::iter::once(&self.header).chain(&self.rows);
        let width = |column| {
            lines().filter_map(|line| line.get(column)).map(|it: &String| it.chars().count()).max()
        };
        let widths: Vec<usize> = (0..self.header.len()).filter_map(width).collect();
        let mut text = format!("## {}\n\n", self.title);
        for (number, line) in lines().enumerate() {
            for (cell, width) in line.iter().zip(&widths) {
                let _ = write!(text, "| {cell:width$} ");
            }
            text.push_str("|\n");
            if number == 0 {
                for width in &widths {
                    let _ = write!(text, "| {} ", "-".repeat(*width));
                }
                text.push_str("|\n");
            }
        }
        for note in &self.notes {
            let _ = write!(text, "\n{note}\n");
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_as_wide_as_their_widest_cell() {
        let mut section = Section::new("Sizes", "what | ours");
        section.row(["µ", "12"]);
        section.row(["longer", "1"]);
        assert_eq!(
            section.note("A note.").render(),
            "## Sizes\n\n\
             | what   | ours |\n\
             | ------ | ---- |\n\
             | µ      | 12   |\n\
             | longer | 1    |\n\
             \nA note.\n"
        );
    }
}
