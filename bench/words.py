"""The words that the products of the benchmarks are named with, the most common one first."""

from __future__ import annotations

import random
from itertools import accumulate
from typing import Final

_KNOWN: Final = """
for with set black steel kitchen home pack white kit stainless wood blue cotton large small outdoor garden case light
portable cover table water coffee storage glass bag travel electric wireless adjustable bottle lamp box holder red
organizer leather wall charger cable kettle knife pan chair desk shelf rack towel pillow blanket mat rug curtain mirror
clock fan heater cooler blender mixer grinder toaster oven pot tray bowl plate cup mug spoon fork brush sponge soap
candle vase frame basket bin hook hanger rope tape glue screw drill hammer saw wrench pliers ladder torch battery
adapter speaker headphones keyboard mouse monitor stand tripod lens camera phone tablet laptop printer paper pen pencil
notebook folder stapler scissors ruler eraser marker paint canvas easel puzzle game toy doll ball bike helmet glove sock
shoe boot jacket shirt trousers belt hat scarf watch ring necklace wallet umbrella tent backpack compass whistle
copper bamboo ceramic silicone rubber nylon velvet linen oak walnut marble granite brass bronze silver golden green
yellow orange purple pink grey brown ivory beige classic modern vintage rustic premium compact foldable waterproof
insulated reusable washable cordless rechargeable digital manual automatic heavy duty slim mini deluxe family kids
"""
_STARTS: Final = "b br c ch d dr f fl g gr h j k kl l m n p pl pr qu r s sh st t tr v w z"
_VOWELS: Final = "a ai e ea i o oo u"
_ENDS: Final = "b ck d ff g ll lt m n nd nt p r rk rn s st t x"


def _coined(count: int) -> list[str]:
    chance = random.Random("words")
    starts, vowels, ends = _STARTS.split(), _VOWELS.split(), _ENDS.split()
    found = _KNOWN.split()
    known = set(found)
    while len(found) < count:
        syllables = (chance.choice(starts) + chance.choice(vowels) for _ in range(chance.choice((1, 2, 2, 3))))
        word = "".join(syllables) + chance.choice(ends)
        if word not in known:
            known.add(word)
            found.append(word)
    return found


WORDS: Final = _coined(20_000)
ZIPF: Final = list(accumulate(1 / rank for rank in range(1, len(WORDS) + 1)))
"""Cumulated weights: the n-th word is n times as rare as the first, which stands in about 4 of 10 names."""
