//! One table, printed with aligned columns or as Markdown.

use comfy_table::{presets, CellAlignment, TableComponent};

/// Rows of text under a header.
#[derive(Debug, Clone, Default)]
pub struct Table {
    header: Vec<String>,
    rows: Vec<Vec<String>>,
    /// Columns of numbers, which stand at the right.
    numbers: Vec<usize>,
}

impl Table {
    pub fn new<S: Into<String>>(header: impl IntoIterator<Item = S>) -> Self {
        Self {
            header: header.into_iter().map(Into::into).collect(),
            ..Self::default()
        }
    }

    /// These columns, counted from 0, hold numbers.
    pub fn numbers(mut self, columns: impl IntoIterator<Item = usize>) -> Self {
        self.numbers = columns.into_iter().collect();
        self
    }

    pub fn row<S: Into<String>>(&mut self, cells: impl IntoIterator<Item = S>) {
        self.rows.push(cells.into_iter().map(Into::into).collect());
    }

    /// For a person, ending in a line feed. Never wraps: a row stays one line, for `grep` too.
    pub fn text(&self) -> String {
        let mut table = comfy_table::Table::new();
        table.load_preset(presets::UTF8_HORIZONTAL_ONLY);
        // A rule under the header, none between the rows.
        table.remove_style(TableComponent::HorizontalLines);
        table.remove_style(TableComponent::MiddleIntersections);
        table.set_header(&self.header);
        table.add_rows(&self.rows);
        for &column in &self.numbers {
            if let Some(column) = table.column_mut(column) {
                column.set_cell_alignment(CellAlignment::Right);
            }
        }
        let lines: Vec<String> = table
            .lines()
            .map(|line| line.trim_end().to_owned())
            .collect();
        format!("{}\n", lines.join("\n"))
    }

    /// For a forge's job summary, ending in a line feed.
    pub fn markdown(&self) -> String {
        let rule: Vec<String> = (0..self.header.len())
            .map(|column| {
                let right = self.numbers.contains(&column);
                if right { "--:" } else { "---" }.to_owned()
            })
            .collect();
        let mut text = String::new();
        for cells in [&self.header, &rule].into_iter().chain(&self.rows) {
            let cells: Vec<String> = cells.iter().map(|cell| escape(cell)).collect();
            text.push_str(&format!("| {} |\n", cells.join(" | ")));
        }
        text
    }
}

fn escape(cell: &str) -> String {
    cell.replace('|', r"\|").replace('\n', "<br>")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table() -> Table {
        let mut table = Table::new(["host", "seconds", "result"]).numbers([1]);
        table.row(["Niko", "0.31", "built"]);
        table.row(["BinaryCache", "12.0", "a|b"]);
        table
    }

    #[test]
    fn text_is_aligned() {
        insta::assert_snapshot!(table().text(), @r"
        ────────────────────────────────
         host          seconds   result
        ════════════════════════════════
         Niko             0.31   built
         BinaryCache      12.0   a|b
        ────────────────────────────────
        ");
    }

    #[test]
    fn markdown_is_escaped() {
        insta::assert_snapshot!(table().markdown(), @r"
        | host | seconds | result |
        | --- | --: | --- |
        | Niko | 0.31 | built |
        | BinaryCache | 12.0 | a\|b |
        ");
    }
}
