"""Sphinx configuration. Built without the network, with every warning an error."""

from __future__ import annotations

import importlib
import importlib.metadata
import inspect
import pkgutil
import sys
from types import ModuleType
from typing import TYPE_CHECKING, ParamSpec, TypeVar, TypeVarTuple, get_origin

from docutils import nodes
from docutils.parsers.rst import Directive
from sphinx.pycode import ModuleAnalyzer
from sphinx.util.inspect import TypeAliasForwardRef

import lash_trio
from lash_trio.testing import conformance

if TYPE_CHECKING:
    from sphinx.addnodes import pending_xref
    from sphinx.application import Sphinx
    from sphinx.environment import BuildEnvironment

project = "lash_trio"
author = "The lash_trio authors"
copyright = "2026, The lash_trio authors"
release = importlib.metadata.version("lash-trio")
version = release

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]
exclude_patterns = ["_build"]
html_theme = "furo"
html_title = f"lash_trio {release}"

myst_enable_extensions = ["attrs_inline", "colon_fence", "deflist", "fieldlist"]
myst_heading_anchors = 3

# Google style docstrings; attrs writes the signatures.
napoleon_numpy_docstring = False
napoleon_use_ivar = True
napoleon_attr_annotations = True

autoclass_content = "class"
autodoc_class_signature = "mixed"
autodoc_default_options = {
    "members": True,
    "member-order": "bysource",
    "show-inheritance": True,
    "undoc-members": True,
}
autodoc_typehints = "signature"
autodoc_typehints_format = "short"
python_maximum_signature_line_length = 88
python_use_unqualified_type_names = True

nitpicky = True
# Names of other projects: their inventories would need the network. Names of
# this one are never ignored.
nitpick_ignore_regex = [
    (
        r"py:.*",
        r"(apsw|trio|trio_util|attrs?|cattrs|click|h2|httpx2|hypothesis|jsonschema|opentelemetry|pydantic|rich)(\..*)?",
    ),
    # Written without its module where hypothesis is imported for types alone.
    (r"py:.*", r"SearchStrategy"),
    (r"py:.*", r"(abc|asyncio|builtins|collections|contextlib|dataclasses)\..*"),
    (r"py:.*", r"(datetime|enum|functools|json|logging|os|pathlib|random|sqlite3)\..*"),
    (r"py:.*", r"(subprocess|threading|types|typing|typing_extensions|uuid)\..*"),
]


# Classes whose objects the library makes and hands out: their constructors take its
# private parts, so the reference does not show them.
MADE_BY_THE_LIBRARY = {
    "ContextParts",
    "EffectNursery",
    "EffectNurseryManager",
    "HostedProcess",
    "LocalExecutor",
    "ProcessNursery",
    "ProcessNurseryManager",
    "RestateEffectController",
    "RunningProcess",
    "StartedEffect",
}


def load_modules() -> list[ModuleType]:
    """All modules of the package, private ones too."""
    names = [module.name for module in pkgutil.walk_packages(lash_trio.__path__, "lash_trio.")]
    return [
        importlib.import_module(name)
        for name in ["lash_trio", *names]
        if not name.endswith("__main__")
    ]


def find_public_names() -> dict[str, list[str]]:
    """Where each object may be documented.

    Maps the place where an object is written (`lash_trio.kernel._scope.Name`) to
    the names under which public modules offer it (`lash_trio.Name`).
    """
    names: dict[str, list[str]] = {}
    for module in MODULES:
        for name, value in list(vars(module).items()):
            written = getattr(value, "__module__", module.__name__)
            if written == module.__name__ and not name.startswith("_"):
                names[f"{written}.{name}"] = find_offers(name, value)
    return names


def find_type_aliases() -> dict[str, str]:
    """Public names that stand for a union or a generic type.

    Signatures show such a name instead of what it stands for.
    """
    aliases: dict[str, str] = {}
    for module in MODULES:
        for name, value in list(vars(module).items()):
            if get_origin(value) is not None and (offers := find_offers(name, value)):
                aliases[name] = offers[0]
    return aliases


def find_offers(name: str, value: object) -> list[str]:
    """The public modules that offer an object under a name, the shortest first."""
    # By getattr: a public module may load a name when it is first asked for (and
    # then changes while its names are gone through).
    offers = [face for face in FACES if getattr(FACES[face], name, None) is value]
    return [f"{face}.{name}" for face in sorted(offers, key=len)]


MODULES = load_modules()
# A module is public when no part of its name starts with an underscore.
FACES = {module.__name__: module for module in MODULES if "._" not in module.__name__}
PUBLIC_NAMES = find_public_names()
autodoc_type_aliases = find_type_aliases()


def resolve_public_name(
    app: Sphinx, env: BuildEnvironment, node: pending_xref, contnode: nodes.Element
) -> nodes.Element | None:
    """Links a name in an annotation to the public name that is documented.

    Annotations name the private module where a class is written; the reference
    documents it once, under a public one.
    """
    if node.get("refdomain") != "py":
        return None
    target: str = node["reftarget"]
    if is_type_variable(target):
        return contnode
    domain = env.domains.python_domain
    for name in find_candidates(target):
        if name in domain.objects:
            return domain.resolve_xref(
                env, node["refdoc"], app.builder, "obj", name, node, contnode
            )
    return None


def find_candidates(target: str) -> list[str]:
    """The public names that a reference may mean, the shortest first."""
    owner, _, last = target.rpartition(".")
    found = {*PUBLIC_NAMES.get(target, ())}
    # A member of a class: `lash_trio.kernel._scope.Scope.cancel`.
    found |= {f"{public}.{last}" for public in PUBLIC_NAMES.get(owner, ())}
    # A bare name, from an annotation that Sphinx did not evaluate, or a name
    # under a public module other than the one that documents it.
    if not owner or owner in FACES:
        found |= {f"{face}.{last}" for face in FACES}
    # A member of a class, without its module.
    if owner and "." not in owner:
        found |= {f"{face}.{target}" for face in FACES}
    return sorted(found, key=lambda name: (len(name), name))


def is_type_variable(target: str) -> bool:
    """True for the `T` of a generic: it has no page of its own."""
    owner, _, name = target.rpartition(".")
    modules = [sys.modules.get(owner)] if owner else MODULES
    return any(
        isinstance(getattr(module, name, None), TypeVar | TypeVarTuple | ParamSpec)
        for module in modules
    )


class ConformanceRules(Directive):
    """``.. conformance-rules:: REGISTRY_CHECKS``: the rules that a tuple of checks holds."""

    required_arguments = 1
    has_content = False

    def run(self) -> list[nodes.Node]:
        checks = getattr(conformance, self.arguments[0])
        rules = nodes.definition_list()
        for check in checks:
            text = " ".join((inspect.getdoc(check) or "").split()).replace("``", "")
            rules += nodes.definition_list_item(
                "",
                nodes.term("", "", nodes.literal(text=check.__name__)),
                nodes.definition("", nodes.paragraph(text=text)),
            )
        return [rules]


def hide_private_bases(
    app: Sphinx, name: str, obj: object, options: object, bases: list[type]
) -> None:
    """Shows, instead of a base class that is private, the bases of that one."""
    for base in list(bases):
        written = f"{base.__module__}.{base.__qualname__}"
        if PUBLIC_NAMES.get(written, [written]) == []:
            where = bases.index(base)
            bases[where : where + 1] = [each for each in base.__bases__ if each is not object]


def hide_constructor(app: Sphinx, what: str, name: str, *_: object) -> tuple[str, None] | None:
    """Leaves the parameters away of a class that is not for users to make."""
    is_ours = what == "class" and name.rpartition(".")[2] in MADE_BY_THE_LIBRARY
    return ("", None) if is_ours else None


def fix_docstring(
    app: Sphinx, what: str, name: str, obj: object, options: object, lines: list[str]
) -> None:
    """Prepares a docstring for napoleon, which reads it next."""
    if what == "data":
        lines[:] = find_data_docstring(name, obj)
    if what in ("attribute", "data", "property"):
        # Napoleon takes the words before a colon in the first line for a type:
        # let the first line be an empty comment.
        lines[:0] = ["..", ""]
    for number, line in enumerate(lines[:-1]):
        if line.strip() in ("Returns:", "Yields:"):
            # The same here: a colon in front of the words is an empty type.
            words = lines[number + 1].lstrip()
            indent = lines[number + 1][: -len(words)]
            lines[number + 1] = f"{indent}: {words}"


def find_data_docstring(name: str, obj: object) -> list[str]:
    """The docstring below a constant, in the private module that has it.

    Autodoc looks only into the public module, and would show the docstring of
    the constant's class.
    """
    last = name.rpartition(".")[2]
    for module in MODULES:
        if vars(module).get(last) is obj:
            found = ModuleAnalyzer.for_module(module.__name__).find_attr_docs()
            if ("", last) in found:
                return list(found["", last])
    return []


# Inside another type (`list[JsonValue]`) Sphinx shows an alias by its repr.
TypeAliasForwardRef.__repr__ = lambda self: self.name  # type: ignore[method-assign]


def setup(app: Sphinx) -> None:
    """Called by Sphinx."""
    app.add_directive("conformance-rules", ConformanceRules)
    app.connect("missing-reference", resolve_public_name)
    app.connect("autodoc-process-docstring", fix_docstring, priority=400)
    app.connect("autodoc-process-signature", hide_constructor)
    app.connect("autodoc-process-bases", hide_private_bases)
