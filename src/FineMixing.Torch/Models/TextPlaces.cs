namespace FineMixing.Torch.Models;

/// <summary>Where texts lie that are laid end to end.</summary>
/// <param name="lengths">Tokens of each text, at least 1.</param>
internal sealed class TextPlaces(int[] lengths)
{
    /// <summary>Tokens of each text.</summary>
    public int[] Lengths { get; } = lengths;

    /// <summary>Index of each text's first token.</summary>
    public long[] Starts { get; } = Sums(lengths);

    private static long[] Sums(int[] lengths)
    {
        var starts = new long[lengths.Length];
        for (var i = 1; i < lengths.Length; i++)
            starts[i] = starts[i - 1] + lengths[i - 1];
        return starts;
    }
}
