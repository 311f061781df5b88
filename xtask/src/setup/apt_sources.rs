//! The machine's own Debian mirror, read from apt's sources in both of their formats. Pure.

/// The suites whose mirrors also carry the one that the private Nix comes from.
const SUITES: [&str; 9] = [
    "bullseye",
    "bookworm",
    "trixie",
    "forky",
    "sid",
    "oldstable",
    "stable",
    "testing",
    "unstable",
];

/// One source of binary packages.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Source {
    pub uris: Vec<String>,
    pub suites: Vec<String>,
    pub components: Vec<String>,
    /// A path, or an inline key; none means any key that apt trusts.
    pub signed_by: Option<String>,
}

/// The mirror that the Debian packages of this machine come from.
///
/// Vendors also publish for `bookworm main`, so a suite alone does not tell: the archive's own key does, and where no
/// key is named, the address of an archive (`…/debian`).
pub fn debian_mirror(sources: &[Source]) -> Option<&str> {
    let is_archive = |source: &&Source| {
        source.components.iter().any(|name| name == "main")
            && source
                .suites
                .iter()
                .any(|suite| SUITES.contains(&suite.as_str()))
    };
    let by_key = sources.iter().filter(is_archive).find(|source| {
        let key = source.signed_by.as_deref().unwrap_or_default();
        key.contains("debian-archive-")
    });
    let by_address = || {
        sources.iter().filter(is_archive).find(|source| {
            source.signed_by.is_none()
                && source
                    .uris
                    .iter()
                    .any(|uri| uri.trim_end_matches('/').ends_with("/debian"))
        })
    };
    by_key
        .or_else(by_address)
        .and_then(|source| source.uris.first())
        .map(|uri| uri.trim_end_matches('/'))
}

/// A `.list` file: `deb [option=value …] URI SUITE COMPONENT…`, one a line.
pub fn parse_list(text: &str) -> Vec<Source> {
    text.lines().filter_map(parse_list_line).collect()
}

fn parse_list_line(line: &str) -> Option<Source> {
    let line = line.split('#').next()?.trim();
    let rest = line.strip_prefix("deb")?;
    // `deb-src` has a hyphen here.
    let rest = rest
        .starts_with(|c: char| c.is_whitespace())
        .then(|| rest.trim_start())?;
    let (options, rest) = match rest.strip_prefix('[') {
        Some(bracket) => bracket.split_once(']')?,
        None => ("", rest),
    };
    let mut words = rest.split_whitespace().map(str::to_owned);
    Some(Source {
        uris: vec![words.next()?],
        suites: vec![words.next()?],
        components: words.collect(),
        signed_by: options
            .split_whitespace()
            .find_map(|option| option.strip_prefix("signed-by="))
            .map(str::to_owned),
    })
}

/// A deb822 `.sources` file: stanzas of `Field: value`, parted by empty lines.
pub fn parse_deb822(text: &str) -> Vec<Source> {
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    let mut sources = Vec::new();
    let mut fields: Vec<(String, String)> = Vec::new();
    for line in lines.chain([""]) {
        if line.trim().is_empty() {
            sources.extend(source_of(&fields));
            fields.clear();
        } else if line.starts_with([' ', '\t']) {
            // A long value goes on in indented lines.
            if let Some((_, value)) = fields.last_mut() {
                value.push(' ');
                value.push_str(line.trim());
            }
        } else if let Some((name, value)) = line.split_once(':') {
            fields.push((name.trim().to_ascii_lowercase(), value.trim().to_owned()));
        }
    }
    sources
}

fn source_of(fields: &[(String, String)]) -> Option<Source> {
    let field = |name: &str| {
        fields
            .iter()
            .find(|(field, _)| field == name)
            .map(|(_, value)| value.trim())
    };
    let words = |name: &str| -> Vec<String> {
        let value = field(name).unwrap_or_default();
        value.split_whitespace().map(str::to_owned).collect()
    };
    let disabled = field("enabled")
        .is_some_and(|value| ["no", "false", "off", "0"].contains(&value.to_lowercase().as_str()));
    let binary = words("types").iter().any(|kind| kind == "deb");
    (binary && !disabled).then(|| Source {
        uris: words("uris"),
        suites: words("suites"),
        components: words("components"),
        signed_by: field("signed-by").map(str::to_owned),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const DEB822: &str = "\
# The official image's file.
Types: deb
# http://snapshot.example/archive/debian/20250520T000000Z
URIs: http://mirror.example/debian/
Suites: bookworm bookworm-updates
Components: main
Signed-By: /usr/share/keyrings/debian-archive-keyring.gpg

Types: deb
URIs: http://mirror.example/debian-security
Suites: bookworm-security
Components: main
Signed-By: /usr/share/keyrings/debian-archive-keyring.gpg
";

    #[test]
    fn a_deb822_file_names_the_mirror() {
        let sources = parse_deb822(DEB822);
        assert_eq!(sources.len(), 2);
        assert_eq!(sources[0].suites, ["bookworm", "bookworm-updates"]);
        assert_eq!(
            debian_mirror(&sources),
            Some("http://mirror.example/debian")
        );
    }

    #[test]
    fn the_security_archive_is_no_mirror() {
        let security = &parse_deb822(DEB822)[1..];
        assert_eq!(debian_mirror(security), None);
    }

    #[test]
    fn values_may_go_on_and_sources_may_be_off() {
        let text = "Types: deb-src deb\nURIs:\n mirror+file:///etc/apt/mirrors/debian.list\n\
                    Suites: trixie\nComponents: main\nSigned-By:\n -----BEGIN PGP PUBLIC KEY BLOCK-----\n .\n abc\n\
                    \nTypes: deb\nEnabled: no\nURIs: http://off.example/debian\nSuites: trixie\nComponents: main\n";
        let sources = parse_deb822(text);
        assert_eq!(sources.len(), 1);
        assert_eq!(
            sources[0].uris,
            ["mirror+file:///etc/apt/mirrors/debian.list"]
        );
        assert!(sources[0]
            .signed_by
            .as_deref()
            .unwrap()
            .starts_with("-----BEGIN"));
    }

    #[test]
    fn a_list_file_names_the_mirror() {
        let sources = parse_list(
            "# comment\n\
             deb-src http://ftp.example/debian bookworm main\n\
             deb [arch=amd64 signed-by=/k.gpg] https://vendor.example/debian bookworm main # theirs\n\
             deb http://ftp.example/debian bookworm main contrib\n",
        );
        assert_eq!(sources.len(), 2);
        assert_eq!(sources[0].signed_by.as_deref(), Some("/k.gpg"));
        assert_eq!(debian_mirror(&sources), Some("http://ftp.example/debian"));
    }

    #[test]
    fn a_vendors_archive_is_no_mirror() {
        let vendors = parse_list(
            "deb [signed-by=/usr/share/keyrings/docker.gpg] https://docker.example/linux/debian bookworm stable\n\
             deb [signed-by=/usr/share/keyrings/ms.gpg] https://packages.example/debian/12/prod bookworm main\n\
             deb http://archive.ubuntu.example/ubuntu noble main\n",
        );
        assert_eq!(vendors.len(), 3);
        assert_eq!(debian_mirror(&vendors), None);
    }
}
