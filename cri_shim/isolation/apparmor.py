"""AppArmor on this node: whether it is enabled, the loaded profiles, and the default profile.

apparmor_parser loads the default profile when the first container needs it, and again whenever it
is found unloaded.
"""

import logging
import shutil
from collections.abc import Mapping
from pathlib import Path

from cri_shim.aio import child
from cri_shim.errors import InvalidArgument, ToolFailed, WrongState
from cri_shim.linux.privacy import make_private
from cri_shim.spec import apparmor

LOAD_S = 30.0  # for apparmor_parser; it takes some 20 ms
_ENABLED = Path("/sys/module/apparmor/parameters/enabled")
_LOADED = Path("/sys/kernel/security/apparmor/profiles")

_log = logging.getLogger(__name__)


class AppArmor:
    """`directory` keeps the source of the default profile; `env` is apparmor_parser's."""

    def __init__(
        self,
        directory: Path,
        *,
        env: Mapping[str, str],
        unprivileged_user: bool = False,
        switch: Path = _ENABLED,
        profiles: Path = _LOADED,
    ) -> None:
        """An unprivileged user can neither load nor list profiles: AppArmor counts as disabled."""
        self._unprivileged_user = unprivileged_user
        self._source = directory / apparmor.DEFAULT
        self._env = env
        self._switch = switch
        self._profiles = profiles

    def enabled(self) -> bool:
        """Return whether the kernel uses AppArmor now, and this user may use it."""
        try:
            return not self._unprivileged_user and self._switch.read_text().startswith("Y")
        except OSError:
            return False

    async def profile(
        self, at: str, request: apparmor.ProfileRequest | None, *, load: bool = True
    ) -> str:
        """Return the name for process.apparmorProfile; "" for none. `at` is the context's path.

        If no profile is requested, the default is used if this node can have it; with `load` it is
        loaded if it is not. InvalidArgument for a requested profile that cannot be used; WrongState
        if that is the default.
        """
        if request is None:
            return ""
        if not self.enabled():
            if request.field == "" or request.profile == apparmor.UNCONFINED:
                return ""
            field, name = f"{at}.{request.field}", request.profile or "RuntimeDefault"
            where = "is not for unprivileged users" if self._unprivileged_user else "is not enabled"
            raise InvalidArgument(field, f"{name}: AppArmor {where} on this node")
        if not request.profile:
            field = f"{at}.{request.field}" if request.field else ""
            return await self._default(field) if load else apparmor.DEFAULT
        if request.profile != apparmor.UNCONFINED and request.profile not in self._loaded():
            problem = f"profile {request.profile!r} is not loaded; load it with apparmor_parser"
            raise InvalidArgument(f"{at}.{request.field}", problem)
        return request.profile

    def _loaded(self) -> frozenset[str]:
        try:
            return apparmor.loaded(self._profiles.read_text())
        except OSError as e:
            raise ToolFailed(f"cannot read the loaded AppArmor profiles: {e}") from e

    async def _default(self, field: str) -> str:
        """Load the default profile; return "" if it was not requested and cannot be loaded."""
        if apparmor.DEFAULT in self._loaded():
            return apparmor.DEFAULT
        try:
            await self._load()
        except ToolFailed as e:
            if field:
                raise WrongState(f"{field}: no default AppArmor profile: {e}") from e
            _log.warning("containers run without an AppArmor profile: %s", e)
            return ""
        return apparmor.DEFAULT

    async def _load(self) -> None:
        parser = shutil.which("apparmor_parser", path=self._env.get("PATH"))
        if parser is None:
            raise ToolFailed("apparmor_parser is not installed on this node")
        make_private(self._source.parent)
        self._source.write_text(apparmor.default_profile())
        command = [parser, "--replace", "--skip-cache", str(self._source)]
        done = await child.run(command, env=self._env, timeout=LOAD_S)
        if done.returncode:
            raise ToolFailed(f"apparmor_parser {self._source}: {done.complaint()}")
