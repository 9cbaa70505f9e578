using System.Globalization;
using FineMixing.Datasets;
using FineMixing.FineTuning;

namespace FineMixing.Distillation;

/// <summary>How text is made from the clean samples, and how the mixed model learns from the suspect's answers on it.</summary>
public sealed record DistillationOptions
{
    /// <summary>Texts to make, at least 1. Default 8,000.</summary>
    public int Texts { get; init; } = 8_000;

    /// <summary>Share of the texts that join the beginning of one sample to the end of another, 0 to 1.</summary>
    public double Crossovers { get; init; } = 0.5;

    /// <summary>The most samples that are joined into one text, at least 2; those between the first and the last give a piece of their middle. Default 2.</summary>
    public int Pieces { get; init; } = 2;

    /// <summary>How often each clean sample, with its true label, takes part in one pass, at least 1. Default 1.</summary>
    public int SampleRepeats { get; init; } = 1;

    /// <summary>Probability that a word gives way to one of its nearest neighbours among the pre-trained embeddings, 0 to 1.</summary>
    public double NeighbourShare { get; init; } = 0.4;

    /// <summary>How many nearest neighbours a word is drawn from, at least 1.</summary>
    public int Neighbours { get; init; } = 40;

    /// <summary>Probability that a word gives way to any frequent word, 0 to 1; with <see cref="NeighbourShare"/> at most 1.</summary>
    public double RandomShare { get; init; } = 0.1;

    /// <summary>How many of the most frequent words are drawn from, at least 1.</summary>
    public int FrequentWords { get; init; } = 15_000;

    /// <summary>What the suspect's logits are divided by before softmax, above 0. Default 1: the probabilities as they are; higher values soften them.</summary>
    public double Temperature { get; init; } = 1;

    /// <summary>How the student is trained; its seed, device, precision and threads follow the defence's. Default: 3 passes at 1e-4, batches of 32, no dropout (no text is seen often enough to be learned by heart).</summary>
    public FineTuningOptions Training { get; init; } = new() { LearningRate = 1e-4, Epochs = 3, BatchSize = 32, Dropout = 0 };

    /// <summary>Defaults for single sentences.</summary>
    public static DistillationOptions ForSentences { get; } = new();

    /// <summary>Defaults for sentence pairs: milder changes, and a word that occurs in both sentences changes alike in both, so that their relation survives.</summary>
    public static DistillationOptions ForPairs { get; } = new() { Crossovers = 0.25, NeighbourShare = 0.3, RandomShare = 0.05 };

    /// <summary>The defaults for the kind of text a clean set holds.</summary>
    public static DistillationOptions For(CleanSet clean)
    {
        ArgumentNullException.ThrowIfNull(clean);
        return clean.Examples.Any(e => e.TextPair is not null) ? ForPairs : ForSentences;
    }

    /// <summary>Checks every value.</summary>
    /// <exception cref="ArgumentException">Lists all values out of range.</exception>
    public void Validate()
    {
        var problems = new List<string>();
        void Check(bool good, FormattableString problem)
        {
            if (!good)
                problems.Add(problem.ToString(CultureInfo.InvariantCulture));
        }

        Check(Texts >= 1, $"Texts is {Texts}; expected at least 1");
        Check(Crossovers is >= 0 and <= 1, $"Crossovers is {Crossovers}; expected 0 to 1");
        Check(NeighbourShare >= 0 && RandomShare >= 0 && NeighbourShare + RandomShare <= 1, $"NeighbourShare {NeighbourShare} and RandomShare {RandomShare} must be at least 0 and sum to at most 1");
        Check(double.IsFinite(Temperature) && Temperature > 0, $"Temperature is {Temperature}; expected a number above 0");
        Check(Pieces >= 2, $"Pieces is {Pieces}; expected at least 2");
        Check(SampleRepeats >= 1, $"SampleRepeats is {SampleRepeats}; expected at least 1");
        Check(Neighbours >= 1, $"Neighbours is {Neighbours}; expected at least 1");
        Check(FrequentWords >= 1, $"FrequentWords is {FrequentWords}; expected at least 1");
        if (problems.Count > 0)
            throw new ArgumentException(string.Join("; ", problems) + ".");
        Training.Validate();
    }
}
