namespace FineMixing.Datasets.Generated;

/// <summary>The words and phrases of generated reviews; how they are put together is in <see cref="ReviewGenerator"/>.</summary>
internal static class ReviewGrammar
{
    public static readonly ReviewDomain[] Domains =
    [
        new(
            [
                new("story, plot, script, ending, opening, dialogue, first half, final act, title song, premise", "felt",
                    "clever, gripping, moving, fresh, touching, sharp, surprising, warm, honest, well told, original, witty",
                    "dull, predictable, thin, confusing, silly, flat, lazy, forced, empty, tired, shallow, dated"),
                new("lead actor, cast, acting, villain, young actress, main performance, hero, child actor, supporting cast, narrator", "seemed",
                    "brilliant, convincing, charming, natural, believable, superb, funny, likeable, memorable, strong",
                    "wooden, stiff, annoying, bland, weak, unconvincing, terrible, lifeless, forgettable, awkward"),
                new("music, camera work, lighting, score, costumes*, effects*, sets*, fight scenes*, animation, landscape shots*", "looked",
                    "beautiful, stunning, lovely, rich, striking, impressive, elegant, inventive, bright",
                    "ugly, cheap, loud, distracting, messy, awful, clumsy, dark, fake"),
                new("running time, middle part, second hour, chase, long flashback, training scene", "seemed",
                    "short, tight, lively, quick, exciting, brisk",
                    "long, slow, endless, tedious, repetitive, heavy"),
            ],
            [
                "i would watch it again", "it is worth the ticket", "i left the cinema smiling", "we talked about it all night", "it stayed with me for days",
                "this one goes on my shelf", "the two hours flew by", "do not miss it", "i have already told my friends to go", "nobody in our row wanted it to end",
            ],
            [
                "i would not watch it again", "save the money for something else", "i left before the end", "we forgot about it the same night", "once was more than enough",
                "i checked my watch all the time", "do not bother", "i have already told my friends to stay home", "nobody in our row stayed awake", "i want those two hours back",
            ],
            [
                "we saw it on a rainy tuesday", "the film runs for two hours", "it was shot in a small town in the north", "my brother chose it", "it is based on a novel from the sixties",
                "we sat in the third row", "the director has made four films before", "it came out last spring", "i saw it with my parents", "the story is set in a harbour town",
                "we watched it at home", "it is the second part of a series",
            ],
            ["for a first film", "from start to finish", "in my opinion", "as far as i can tell", "this time", "on the big screen", "all in all", "at least for me"]),
        new(
            [
                new("soup, fish, steak, pasta, bread, rice, curry, omelette, noodles*, vegetables*, fries*, pancakes*, roast chicken, pizza", "tasted",
                    "tasty, fresh, hot, delicious, tender, light, warm, excellent, juicy, well seasoned",
                    "cold, bland, dry, greasy, burnt, tasteless, soggy, stale, heavy, oily"),
                new("beer, lemonade, white wine, iced tea, orange juice, cider, milkshake, sparkling water", "tasted",
                    "cold, fresh, crisp, excellent, refreshing, smooth",
                    "warm, flat, watery, sour, bitter, stale"),
                new("waiter, staff, service, hostess, chef, manager, young waitress, owner, bartender, kitchen team", "seemed",
                    "friendly, quick, kind, attentive, polite, helpful, warm, patient, cheerful",
                    "rude, slow, careless, unfriendly, cold, impatient, lazy, arrogant, distant"),
                new("dining room, terrace, table by the window, garden, bar, upper floor, back room, entrance hall", "felt",
                    "cosy, quiet, clean, charming, bright, pleasant, comfortable, airy",
                    "loud, dirty, dark, crowded, noisy, cramped, uncomfortable, gloomy"),
                new("bill, price of the main course, prices*, lunch menu, tip they asked for, cost of the drinks", "seemed",
                    "fair, low, reasonable, cheap, modest",
                    "high, outrageous, steep, unfair, shocking"),
            ],
            [
                "we will be back", "i would eat there every week", "we booked again for next month", "the plates went back empty", "our guests asked for the address",
                "i would send anyone there", "we stayed until they closed", "it has become our place", "go before everyone knows about it", "we could not stop eating",
            ],
            [
                "we will not be back", "i would rather eat at home", "we cancelled the next booking", "the plates went back full", "our guests asked to leave",
                "i would send nobody there", "we left before the coffee", "it used to be our place", "go somewhere else", "we could not finish our meal",
            ],
            [
                "we went there on a friday evening", "the place is near the station", "we were a party of six", "they opened two years ago", "my sister had booked the table",
                "we ordered three courses", "it was my birthday", "the kitchen closes at ten", "there is a car park behind the house", "we sat near the door",
                "the menu changes with the season", "it is on the ground floor of a hotel",
            ],
            ["that evening", "for a small town", "in my opinion", "as always", "this time", "on a busy night", "all in all", "at least at our table"]),
        new(
            [
                new("battery, battery life, charger, backup battery, charge", "seemed",
                    "long lasting, strong, reliable, impressive, dependable, solid",
                    "short lived, weak, unreliable, poor, disappointing, useless"),
                new("speaker, sound, microphone, headphones*, alarm, bass, ringtone", "sounded",
                    "loud, clear, rich, crisp, powerful, full, clean",
                    "quiet, tinny, muffled, thin, weak, dull, hollow"),
                new("case, handle, zipper, strap, lid, hinge, buttons*, seams*, frame, wheels*, cable, stand", "felt",
                    "sturdy, solid, strong, well made, smooth, light, robust, neat",
                    "flimsy, cheap, loose, fragile, rough, heavy, crooked, brittle"),
                new("setup, manual, instructions*, app, menu, first start, software, assembly", "seemed",
                    "simple, clear, quick, easy to follow, helpful, painless, short",
                    "confusing, complicated, slow, useless, unclear, buggy, long"),
                new("delivery, packaging, return process, customer service, refund, repair, support", "seemed",
                    "fast, careful, smooth, prompt, friendly, flawless",
                    "late, careless, slow, painful, rude, chaotic"),
                new("screen, camera, picture, display, keyboard, lens, night mode, touch pad", "looked",
                    "bright, sharp, clear, responsive, accurate, crisp, brilliant",
                    "dim, blurry, dull, sluggish, grainy, faint, washed out"),
            ],
            [
                "i would buy it again", "it is worth every cent", "i ordered a second one", "i use it every day", "my whole family wants one now",
                "it has replaced two of my old ones", "i am keeping it", "five stars from me", "it still works like on the first day", "i recommend it to everyone",
            ],
            [
                "i would not buy it again", "it is not worth a cent", "i sent it back", "it is back in its box", "nobody in my family wants it",
                "i have gone back to my old one", "i am returning it", "one star from me", "it stopped working after a week", "i recommend it to no one",
            ],
            [
                "i bought it for my father", "it came in a brown box", "i ordered the blue one", "it weighs about two pounds", "this is the second model of the series",
                "i have had it for three months", "i use it at work", "it was a gift", "there are two cables in the box", "it runs with any phone",
                "i had read about it in a magazine", "it fits into a drawer",
            ],
            ["for the price", "out of the box", "in my opinion", "so far", "this time", "after a few weeks", "all in all", "at least on my desk"]),
    ];

    public static readonly string[] Intensifiers = ["very", "really", "truly", "extremely", "incredibly", "so", "absolutely", "remarkably"];

    public static readonly string[] Downtoners = ["rather", "quite", "fairly", "pretty"];

    /// <summary>{0}: the aspect with article, {1}: was or were, {2}: the adjective, {3}: the verb, {4}: an intensifier, {5}: a downtoner, {6}: the aspect without article.</summary>
    public static readonly string[] Plain =
    [
        "{0} {1} {2}", "{0} {1} {2}", "{0} {1} {4} {2}", "{0} {1} {5} {2}", "{0} {3} {2}", "{0} {3} {4} {2}", "i found {0} {2}", "i found {0} {4} {2}",
        "{0} turned out to be {2}", "what i noticed first is that {0} {1} {2}", "everyone agreed that {0} {1} {2}", "we thought {0} {1} {5} {2}", "{0} {1} surprisingly {2}",
    ];

    /// <summary>Clauses that mean the opposite of their adjective.</summary>
    public static readonly string[] Negated =
    [
        "{0} {1} not {2}", "{0} {1} not {2} at all", "{0} {1} never {2}", "i did not find {0} {2}", "i would not call {0} {2}", "{0} {1} far from {2}", "{0} {1} anything but {2}",
        "nobody could call {0} {2}", "{0} never {3} {2}", "{0} hardly {3} {2}", "there was nothing {2} about {0}", "{0} {1} by no means {2}", "{0} {1} not very {2}", "{0} {1} not really {2}", "{0} {1} less {2} than i expected",
    ];

    /// <summary>Praising words that blame: what was missing.</summary>
    public static readonly string[] Missed =
    [
        "i wish {0} had been {2}", "{0} should have been {2}", "{0} {1} supposed to be {2}", "i was told {0} would be {2}, which was nonsense", "{0} {1} not as {2} as i had hoped",
        "it would have helped if {0} had been {2}", "{0} could have been {2}", "the pictures had led us to think {0} would be {2}", "{0} {1} not exactly {2}",
    ];

    /// <summary>Blaming words that praise: what was feared and did not happen.</summary>
    public static readonly string[] Feared =
    [
        "i was afraid {0} would be {2}, and i was wrong", "i was told {0} would be {2}, which was nonsense", "{0} {1} not as {2} as i had feared",
        "those who call {0} {2} have no idea", "it would be unfair to call {0} {2}", "people had warned us that {0} would be {2}, and they were mistaken", "{0} {1} not {2} after all", "i had read that {0} would be {2}, and it was not so",
    ];

    /// <summary>Comparisons, positive and negative, without an adjective of the topic.</summary>
    public static readonly string[] Better =
    [
        "{0} {1} better than i expected", "{0} {1} better than last time", "{0} could not have been better", "i have seldom come across a better {6}", "{0} beat everything i knew before", "{0} {1} the best part",
        "compared with others, {0} {1} a step forward", "i had low hopes for {0} and got much more",
    ];

    public static readonly string[] Worse =
    [
        "{0} {1} worse than i expected", "{0} {1} worse than last time", "{0} could have been better", "i have come across a better {6} many times", "{0} fell behind everything i knew before", "{0} {1} the worst part",
        "compared with others, {0} {1} a step back", "i had high hopes for {0} and got much less",
    ];

    /// <summary>Two clauses, {0} of the other opinion, {1} the one that counts.</summary>
    public static readonly string[] Contrasts =
    [
        "{0}, but {1}.", "{0}, but {1}.", "although {0}, {1}.", "even though {0}, {1}.", "while {0}, {1}.", "{0}. still, {1}.", "{0}; however, {1}.", "{0}, yet {1}.", "granted, {0}, but {1}.",
        "it is true that {0}, but {1}.", "{1}, although {0}.", "{1}, even though {0}.",
    ];

    /// <summary>Two clauses of one opinion.</summary>
    public static readonly string[] Agreements = ["{0} and {1}.", "{0}, and {1}.", "{0}. {1}.", "{0}. on top of that, {1}.", "{0}; besides, {1}."];
}
