"""Generates names for pods and containers that were given none."""

import secrets
from collections.abc import Iterator
from itertools import product

from cri_shim.errors import ResourceExhausted
from cri_shim.objects import ObjectStore

TRIES = 100  # random pairs before all pairs are tried in order


def generate(objects: ObjectStore) -> str:
    """Return an adjective_surname that no object of any namespace has and that was never returned.

    ResourceExhausted if every pair is used.
    """
    pods, containers = objects.everything()
    taken = objects.given_names | {pod.config.metadata.name for pod in pods}
    taken |= {container.config.metadata.name for container in containers}
    name = next((name for name in _candidates() if name not in taken), None)
    if name is None:
        raise ResourceExhausted("every name that can be generated is in use: name it yourself")
    objects.given_names.add(name)
    return name


def _candidates() -> Iterator[str]:
    for _ in range(TRIES):
        yield f"{secrets.choice(ADJECTIVES)}_{secrets.choice(SURNAMES)}"
    for adjective, surname in product(ADJECTIVES, SURNAMES):
        yield f"{adjective}_{surname}"


ADJECTIVES = """
able amber ample apt avid balmy bold brave breezy bright brisk calm candid careful cheerful clear
clever cosy crisp curious daring deft eager earnest easy exact fair fearless fine firm fond frank
free fresh gallant gentle glad golden grand hardy hearty helpful honest humble jolly keen kind
lively loyal lucid mellow merry mild modest neat nimble noble patient placid plain plucky polite
prompt proud quick quiet ready robust rosy serene sharp silver simple sleek smooth snug sober
solid spry staunch steady stout sturdy sunny swift tender tidy trim true upbeat vivid warm wise
witty zesty
""".split()  # noqa: SIM905

# Surnames of scientists and inventors.
SURNAMES = """
abel ampere archimedes avogadro babbage bardeen becquerel bell bernoulli blackwell bohr boole born
boyle brahe cantor carson cauchy cavendish celsius copernicus coulomb curie dalton darwin
descartes dijkstra dirac doppler easley edison einstein elion erdos euclid euler faraday fermat
fermi feynman fibonacci fleming fourier franklin galileo galois gauss germain godel goldberg
goodall haber halley hamilton heisenberg hertz hilbert hodgkin hooke hopper hubble huygens hypatia
jacobi johnson joule kelvin kepler khayyam kovalevskaya lagrange lamarr laplace lavoisier leavitt
leibniz liskov lovelace maxwell mayer mclintock meitner mendel mendeleev mirzakhani morse napier
nash newton nightingale noether ohm pascal pasteur pauling planck poincare ptolemy ramanujan
riemann rontgen rubin rutherford sagan schrodinger shannon stokes tesla thompson turing vaughan
volta watt weierstrass wiles wu yalow zuse
""".split()  # noqa: SIM905
