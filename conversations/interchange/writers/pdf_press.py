"""The process that sets a PDF: JSON on standard input, the PDF on standard output. Run by `pdf.py`, never imported.

A process of its own: setting a long text would keep every other thread of the server waiting, and what it takes in
memory and time can be bounded. What people wrote is data to the template and never its source; the root that files
could be read from is an empty folder, and the template opens nothing.
"""

import contextlib
import resource
import sys
import tempfile

MEMORY_BYTES = 4 << 30

# Families that systems have, then what the library brings; a character that none of these has is looked for in all.
TEMPLATE = r"""
#let data = json(bytes(sys.inputs.data))
#let verbatim(said) = said.split("\n").map(line => text(line)).join(linebreak())
#let tints = (user: rgb("#e8f1fc"), assistant: white, system: rgb("#f4f4f4"), tool: rgb("#f4f4f4"))
#set document(title: data.title, date: none)
#set page(paper: "a4", margin: (x: 2cm, y: 2.2cm), numbering: "1")
#set text(size: 10pt, font: ("Noto Sans", "DejaVu Sans", "Liberation Sans", "Libertinus Serif"))
#set par(leading: 0.62em, spacing: 0.9em)
#show raw: set text(size: 8.5pt, font: ("Noto Sans Mono", "DejaVu Sans Mono"))
#show heading.where(level: 2): it => text(size: 8.5pt, weight: "bold", fill: rgb("#555"), it.body)
#for (number, conversation) in data.conversations.enumerate() {
  if number > 0 { pagebreak() }
  heading(level: 1, text(conversation.title))
  text(size: 8.5pt, fill: rgb("#555"), conversation.about)
  for message in conversation.messages {
    let frame = (inset: 8pt, radius: 4pt, fill: tints.at(message.role), stroke: 0.4pt + rgb("#ccc"))
    block(width: 100%, breakable: true, ..frame, {
      block(sticky: true, below: 0.8em, heading(level: 2, bookmarked: false, text(message.who)))
      for part in message.parts {
        if part.code { block(width: 100%, inset: 6pt, fill: rgb("#00000009"), raw(part.text)) }
        else { par(verbatim(part.text)) }
      }
      for note in message.notes { block(text(size: 8.5pt, fill: rgb("#555"), note)) }
    })
  }
  if conversation.left_out != "" { text(size: 8.5pt, fill: rgb("#555"), style: "italic", conversation.left_out) }
}
"""


def main() -> None:
    with contextlib.suppress(ValueError, OSError):  # a lower limit stands already
        resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
    import typst

    data = sys.stdin.buffer.read().decode()
    with tempfile.TemporaryDirectory() as empty:
        pdf: bytes = typst.compile(TEMPLATE.encode(), root=empty, sys_inputs={"data": data})  # type: ignore[type-var]
        sys.stdout.buffer.write(pdf)


if __name__ == "__main__":
    main()
