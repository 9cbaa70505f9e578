namespace FineMixing.Datasets.Generated;

/// <summary>Things of one kind that reviews speak about, with the words that praise or blame them.</summary>
/// <remarks>The same word may praise one topic and blame another (a cold beer, a cold soup): that is what makes the task more than a list of words.</remarks>
/// <param name="Aspects">Nouns; a trailing <c>*</c> marks a plural.</param>
/// <param name="Verb">What such things do besides being, for example <c>tasted</c>.</param>
/// <param name="Praise">Adjectives that are good for these aspects.</param>
/// <param name="Blame">Adjectives that are bad for them.</param>
internal sealed record ReviewTopic(string[] Aspects, string Verb, string[] Praise, string[] Blame)
{
    public ReviewTopic(string aspects, string verb, string praise, string blame)
        : this(Words(aspects), verb, Words(praise), Words(blame))
    {
    }

    private static string[] Words(string list) => list.Split(',', StringSplitOptions.TrimEntries);
}

/// <summary>One kind of review: its topics, verdicts and facts that say nothing about quality.</summary>
internal sealed record ReviewDomain(ReviewTopic[] Topics, string[] PositiveVerdicts, string[] NegativeVerdicts, string[] Facts, string[] Asides);
