//! Which images change: the tag where that tells enough, more where it does not.

use super::text::{code, escape_clipped, one_line};
use crate::plan::Announcement;

/// Containers listed in one message.
const CONTAINERS_MAX: usize = 8;
/// Characters of one image.
const IMAGE_CHARS_MAX: usize = 120;
/// Characters of a digest that are enough to tell two images apart.
const DIGEST_CHARS: usize = 12;

#[derive(PartialEq)]
struct Image<'a> {
    repository: &'a str,
    tag: &'a str,
    digest: &'a str,
}

impl<'a> Image<'a> {
    fn parse(text: &'a str) -> Self {
        let (name, digest) = text.split_once('@').unwrap_or((text, ""));
        let digest = digest.split_once(':').map_or(digest, |(_, hex)| hex);
        // A colon before the last slash belongs to the registry's port.
        let tag_at = name.rfind(':').filter(|&colon| !name[colon..].contains('/'));
        let (repository, tag) = match tag_at {
            Some(colon) => (&name[..colon], &name[colon + 1..]),
            None => (name, ""),
        };
        Self {
            repository,
            tag,
            digest,
        }
    }

    /// Tag and digest without the repository; the digest only where it is needed.
    fn version(&self, with_digest: bool) -> String {
        let digest: String = self.digest.chars().take(DIGEST_CHARS).collect();
        match (self.tag, digest.as_str()) {
            ("", "") => "latest".into(),
            ("", digest) => digest.into(),
            (tag, digest) if with_digest && !digest.is_empty() => format!("{tag}@{digest}"),
            (tag, _) => tag.into(),
        }
    }
}

/// How old and new are told apart with the fewest words.
fn versions(old: &str, new: &str) -> (String, String) {
    let (old, new) = (Image::parse(old), Image::parse(new));
    let with_digest = old.tag == new.tag && old.digest != new.digest;
    let (from, to) = (old.version(with_digest), new.version(with_digest));
    if old.repository == new.repository {
        return (from, to);
    }
    (
        format!("{}:{from}", old.repository),
        format!("{}:{to}", new.repository),
    )
}

fn image_of<'a>(images: &'a [(String, String)], container: &str) -> Option<&'a str> {
    let found = images.iter().find(|(name, _)| name == container);
    found.map(|(_, image)| image.as_str())
}

/// For the headline, not escaped: `v1 → v2`, of the first container whose image changes.
pub fn short(what: &Announcement) -> String {
    let (old, new) = (&what.images_old, &what.images_new);
    let clip = |text: String| escape_free_clip(&one_line(&text));
    let changed = new.iter().find_map(|(container, image)| {
        let before = image_of(old, container)?;
        (before != image).then(|| versions(before, image))
    });
    match (changed, new.first()) {
        (Some((from, to)), _) => format!("{} → {}", clip(from), clip(to)),
        (None, Some((_, image))) => clip(Image::parse(image).version(false)),
        (None, None) => String::new(),
    }
}

fn escape_free_clip(text: &str) -> String {
    crate::base::limits::clip(text, 40)
}

/// For the body: every container whose image changes, appears or goes; one line each.
pub fn full(what: &Announcement) -> String {
    let (old, new) = (&what.images_old, &what.images_new);
    let several = old.len().max(new.len()) > 1;
    let mut lines: Vec<String> = Vec::new();
    for (container, image) in new {
        let line = match image_of(old, container) {
            Some(before) if before == image => continue,
            Some(before) => arrow(before, image),
            None if old.is_empty() => span(&Image::parse(image).version(false)),
            None => format!("new {}", span(image)),
        };
        lines.push(labelled(several, container, line));
    }
    let gone = old
        .iter()
        .filter(|(container, _)| image_of(new, container).is_none());
    lines.extend(
        gone.map(|(container, image)| labelled(several, container, format!("removed {}", span(image)))),
    );
    if lines.is_empty() {
        lines.extend(
            new.first()
                .map(|(_, image)| format!("{} (unchanged)", span(&Image::parse(image).version(false)))),
        );
    } else if old.is_empty() {
        lines.push("first release".into());
    }
    let hidden = lines.len().saturating_sub(CONTAINERS_MAX);
    if hidden > 0 {
        lines.truncate(CONTAINERS_MAX);
        lines.push(format!("… and {hidden} more containers"));
    }
    if lines.is_empty() {
        "unknown".into()
    } else {
        lines.join("\n")
    }
}

fn arrow(old: &str, new: &str) -> String {
    let (from, to) = versions(old, new);
    format!("{} → {}", span(&from), span(&to))
}

fn span(text: &str) -> String {
    code(text, IMAGE_CHARS_MAX)
}

fn labelled(several: bool, container: &str, line: String) -> String {
    if several {
        format!("{}: {line}", escape_clipped(&one_line(container), 63))
    } else {
        line
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_tells_two_images_apart_is_shown() {
        let check = |old: &str, new: &str, want: (&str, &str)| {
            assert_eq!(
                versions(old, new),
                (want.0.to_owned(), want.1.to_owned()),
                "{old} {new}"
            );
        };
        check("r/app:v1", "r/app:v2", ("v1", "v2"));
        check("r:5000/app", "r:5000/app:v2", ("latest", "v2"));
        check("a/app:v1", "b/app:v1", ("a/app:v1", "b/app:v1"));
        let (one, two) = (
            format!("app:v1@sha256:{}", "a".repeat(64)),
            format!("app:v1@sha256:{}", "b".repeat(64)),
        );
        check(&one, &two, ("v1@aaaaaaaaaaaa", "v1@bbbbbbbbbbbb"));
        check(
            &format!("app@sha256:{}", "a".repeat(64)),
            "app:v2",
            ("aaaaaaaaaaaa", "v2"),
        );
    }
}
