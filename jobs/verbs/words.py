"""English words whose place in a sentence is fixed, as far as telling verbs from others needs them.

Lists of what is not a verb may be too long, never too short: a verb that is missed costs nothing,
a noun that is called an unseen verb costs trust.
"""

from __future__ import annotations


def _set(words: str) -> frozenset[str]:
    return frozenset(words.split())


#: Nouns and pronouns that a verb in the third person follows.
SUBJECTS = _set(
    """
    person man woman guy girl boy kid child lady gentleman human figure character actor actress
    performer athlete someone somebody anyone everyone one he she who they people men women
    dancer boxer fighter runner player soldier warrior knight ninja samurai zombie robot ballerina
    gymnast acrobat skater skier swimmer climber worker cleaner burglar thief officer policeman
    conductor musician singer drummer guitarist waiter chef nurse doctor teacher student clown
    pirate wizard monk priest king queen monster skeleton avatar model mannequin individual adult
    teenager toddler baby patient golfer archer bowler pitcher batter goalkeeper referee cowboy
    """
)
BE = _set("is are was were am be been isn't aren't he's she's they're")
DETERMINERS = _set(
    """
    a an the his her its their your my our one's this that these those both each every some any all
    no another one two three four five six seven eight nine ten several many few half
    """
)
PRONOUNS = _set("it him them himself herself itself themselves oneself me you us")
PARTICLES = _set(
    """
    up down forward forwards backward backwards back around away off out over aside left right
    sideways ahead upward upwards downward downwards upstairs downstairs together apart again once
    twice thrice here there high low fast slow hard
    """
)
#: Words before a noun phrase.
PREPOSITIONS = _set(
    """
    in on at with without of from by for to into onto through across along towards toward under
    below above behind before after beside between against like as while until during near past
    inside outside about upon beneath among
    """
)
#: Adverbs that stand between a subject and its verb; those in -ly are known by their ending.
ADVERBS = _set(
    """
    also just now first still again once twice often always never sometimes soon later almost
    even not maybe perhaps quite very too suddenly really
    """
)
LINKS = frozenset({"and", "or", "but", "&", "plus"})
ORDER = frozenset({"then", "next", "afterwards", "afterward", "finally", "lastly", "thereafter"})
#: Verbs that another one follows, with -ing or after `to`.
PHASES = _set(
    """
    start starts starting begin begins beginning continue continues continuing keep keeps keeping
    stop stops stopping finish finishes finishing try tries trying attempt attempts attempting
    pretend pretends pretending seem seems appear appears prepare prepares preparing manage manages
    """
)
_ELSE = _set(
    """
    if because so than when where which what whose how why though although however yet will would
    can could should must may might shall do did has had have having being beings going be been
    let lets us got get gets
    perhaps besides across sideways afterwards nowadays outdoors indoors overseas
    sometimes otherwise less unless across thus yes his hers theirs ours yours its this
    need needed needs want wants wanted likes liked feel feels felt seemed appeared
    remains remained bored tired exhausted excited injured wounded crossed
    raised extended stretched spread bent naked aged sacred hundred red speed indeed need feed
    wear wears wearing wore see sees seeing saw hear hears hearing know knows think thinks thinking
    shows showed contains depicts amused seated dressed armed surprised
    """
)
BODY = _set(
    """
    arms legs hands feet knees elbows shoulders hips heels toes fingers thumbs fists palms wrists
    ankles eyes ears lips teeth hairs thighs calves shins forearms limbs muscles joints soles sides
    cheeks ribs buttocks nails chests heads necks wings tails paws claws body head hand foot face
    arm leg chest hip waist shoulder knee elbow fist torso back
    """
)
_THINGS = _set(
    """
    stairs steps rungs balls boxes bottles cans jars cups glasses plates dishes tables chairs stools
    benches walls doors windows floors shelves books bags baskets barrels crates cones hurdles hoops
    ropes sticks swords shields knives guns rifles arrows weights dumbbells bells drums keys
    strings clothes trousers pants shorts shoes boots gloves socks jeans sunglasses headphones skis
    skates crutches stilts bars rings mats cars trucks bikes trains horses dogs cats birds trees
    flowers leaves rocks stones bricks logs branches puddles waves clouds stars lights flames
    obstacles opponents enemies friends partners others people children guests crowds spectators
    times seconds minutes hours moments meters metres miles inches degrees circles squares rows
    lines laps reps sets rounds movements motions moves gestures poses positions directions turns
    arts sports games gymnastics athletics aerobics acrobatics calisthenics pilates karate sounds
    burpees pushups situps pullups sit-ups push-ups pull-ups jacks squats lunges planks
    crunches handstands headstands cartwheels somersaults flips rolls spins twists kicks punches
    jumps hops skips laughs waltzes ballets dances items objects things parts pieces ends
    edges corners groceries tools nuts vegetables fruits apples potatoes
    """
)
#: Nouns and prepositions in -ing.
ING_NOUNS = _set(
    """
    thing something anything nothing everything morning evening king ring string spring wing ceiling
    clothing lightning pudding building being sibling railing painting opening outing wedding
    meeting feeling stocking bedding during landing training sling herring earring awning ping
    """
)
#: Words of every closed class: no verb that anybody could have failed to see.
CLOSED = (
    BE | DETERMINERS | PRONOUNS | PARTICLES | PREPOSITIONS | ADVERBS | LINKS | ORDER | _ELSE
) | frozenset({"slowly", "quickly"})
#: Nouns in the plural, which look like verbs after "and" or a comma.
NOUNS = BODY | _THINGS
#: What follows a verb that has an object or goes somewhere, and hardly a noun.
OBJECT = (DETERMINERS - {"one"}) | PRONOUNS | PARTICLES | {"to", "at"}
#: What may follow a verb.
FOLLOW = OBJECT | PREPOSITIONS | LINKS | ORDER | ADVERBS | BODY
