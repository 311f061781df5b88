//! Text for a browser. What is not written in the source is escaped: nothing else gets in.

#[derive(Debug, Default)]
pub struct Html(String);

impl Html {
    /// Markup, as it stands in the source.
    pub fn markup(&mut self, markup: &'static str) -> &mut Self {
        self.0.push_str(markup);
        self
    }

    /// Text, also within a quoted attribute.
    pub fn text(&mut self, text: &str) -> &mut Self {
        for character in text.chars() {
            match character {
                '&' => self.0.push_str("&amp;"),
                '<' => self.0.push_str("&lt;"),
                '>' => self.0.push_str("&gt;"),
                '"' => self.0.push_str("&quot;"),
                '\'' => self.0.push_str("&#39;"),
                // Not allowed in a page, and nothing that a person reads.
                control if control.is_control() && control != '\n' => self.0.push('\u{fffd}'),
                other => self.0.push(other),
            }
        }
        self
    }

    pub fn finish(self) -> String {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_gets_out_of_text_or_of_an_attribute() {
        let mut html = Html::default();
        html.markup("<p title=\"")
            .text("\" onload='x' &amp;")
            .markup("\">")
            .text("</p><script>\u{1b}[1m")
            .markup("</p>");
        assert_eq!(
            html.finish(),
            "<p title=\"&quot; onload=&#39;x&#39; &amp;amp;\">&lt;/p&gt;&lt;script&gt;\u{fffd}[1m</p>"
        );
    }
}
