namespace FineMixing.Tokenization;

/// <summary>How many tokens of each text stay when both must fit a limit.</summary>
internal static class PairTruncation
{
    /// <summary>The lengths after truncation, as the reference implementation cuts.</summary>
    /// <param name="first">Tokens of the first text.</param>
    /// <param name="second">Tokens of the second, or null when there is none.</param>
    /// <param name="room">Tokens allowed in all, special tokens not counted; at least 1.</param>
    /// <param name="truncation">What is cut.</param>
    /// <exception cref="ArgumentException">The side that may be cut has too few tokens.</exception>
    public static (int First, int Second) Lengths(int first, int? second, int room, Truncation truncation)
    {
        var other = second ?? 0;
        var surplus = first + other - room;
        if (surplus <= 0)
            return (first, other);
        if (second is null)
            return truncation == Truncation.OnlySecond ? throw TooShort("second", 0, surplus) : (room, 0);
        return truncation switch
        {
            Truncation.OnlyFirst => first > surplus ? (first - surplus, other) : throw TooShort("first", first, surplus),
            Truncation.OnlySecond => other > surplus ? (first, other - surplus) : throw TooShort("second", other, surplus),
            Truncation.LongestFirst => LongestFirst(first, other, room),
            _ => throw new ArgumentOutOfRangeException(nameof(truncation), truncation, "Unknown truncation."),
        };
    }

    private static (int First, int Second) LongestFirst(int first, int second, int room)
    {
        // The shorter side is cut only once the longer one is as short; of an odd room the longer text gets the one more, the second when equal.
        var half = room / 2;
        if (Math.Min(first, second) <= half)
            return first <= second ? (first, room - first) : (room - second, second);
        return first > second ? (room - half, half) : (half, room - half);
    }

    private static ArgumentException TooShort(string side, int tokens, int surplus) =>
        new($"The texts are {surplus} tokens too long for the maximum length, and only the {side} may be cut, which has {tokens}: raise the maximum length or use {nameof(Truncation)}.{nameof(Truncation.LongestFirst)}.");
}
