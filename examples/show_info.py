"""Show what a runtime of this node would be made of, as JSON.

python examples/show_info.py [ROOT RUN_ROOT]
"""

import asyncio
import json
import sys

from cri_shim import Runtime, options


async def main(root: str | None = None, run_root: str | None = None) -> None:
    async with Runtime(options.with_storage(root, run_root)) as runtime:
        print(json.dumps(await runtime.info(), indent=2))
        await runtime.shutdown(force=False)


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:3]))
