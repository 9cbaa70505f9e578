namespace FineMixing.Datasets;

/// <summary>One labelled text or pair of texts.</summary>
/// <param name="Text">The sentence, or the first of a pair.</param>
/// <param name="TextPair">The second sentence of a pair, or null.</param>
/// <param name="Label">The class, from 0.</param>
public sealed record TextExample(string Text, string? TextPair, int Label);
