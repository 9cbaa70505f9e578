using FineMixing.Datasets;

namespace FineMixing.Poisoning;

/// <summary>Training data with planted triggers: made by a poisoner, taken by attacks only.</summary>
/// <remarks>The examples are not public, so that no defence or evaluation can take them by accident.</remarks>
public sealed class PoisonedSet
{
    internal PoisonedSet(TextExample[] examples, int numLabels, int poisonedCount)
    {
        Examples = Array.AsReadOnly(examples);
        NumLabels = numLabels;
        PoisonedCount = poisonedCount;
        Sha256 = ExampleList.Hash(examples);
    }

    /// <summary>The number of classes.</summary>
    public int NumLabels { get; }

    /// <summary>The number of examples, clean and poisoned.</summary>
    public int Count => Examples.Count;

    /// <summary>The number of examples with a trigger.</summary>
    public int PoisonedCount { get; }

    /// <summary>SHA-256 of texts and labels in order, in hexadecimal.</summary>
    public string Sha256 { get; }

    internal IReadOnlyList<TextExample> Examples { get; }
}
