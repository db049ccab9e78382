"""What a program works with that is itself the runtime: pods, containers and images as objects.

`Runtime.pod()`, `.container()`, `.image()` and their plurals return them. An object is a handle: an
id and the engine. It keeps no state, so what it tells is what the objects are now, and the same
that a daemon on the same directories would serve. Its verbs are those of pods/, containers/ and
images/.

- `pod`, `container`, `image`, `layer`  the objects; `handle`: what they have in common
- `session`  talking to a command, or to a container's own program
- `configs`  the CRI's configurations from few words; `names` for what was given none
- `inspect`  all there is to tell, JSON-able
"""
