//! Tables of plain columns, as wide as their content or as the terminal.

use comfy_table::{presets, ContentArrangement, Table};

/// Columns under their headings; without lines, so that it pastes well.
pub fn table<const COLUMNS: usize>(
    headings: [&str; COLUMNS],
    rows: impl IntoIterator<Item = [String; COLUMNS]>,
) -> String {
    let mut table = Table::new();
    table
        .load_preset(presets::NOTHING)
        .set_content_arrangement(ContentArrangement::Dynamic)
        .set_header(headings.map(str::to_uppercase))
        .add_rows(rows);
    for column in table.column_iter_mut() {
        column.set_padding((0, 2));
    }
    let mut text = String::new();
    for line in table.lines() {
        text.push_str(line.trim_end());
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_as_wide_as_what_is_in_them() {
        let rows = [["Niko", "built"], ["Production", "failed"]].map(|row| row.map(str::to_owned));
        assert_eq!(
            table(["host", "result"], rows),
            "HOST        RESULT\nNiko        built\nProduction  failed\n"
        );
    }
}
