using System.Globalization;

namespace FineMixing.Probing;

/// <summary>How hard a trigger is looked for.</summary>
public sealed record TriggerProbeOptions
{
    /// <summary>The most suspicious tokens of E-PUR's ranking that are tried one by one, at least 1. Default 1,000.</summary>
    public int Candidates { get; init; } = 1_000;

    /// <summary>The shortest clean samples of each class that phrases are tried on, at least 1; fewer when there are more than six classes. Default 4.</summary>
    public int TextsPerClass { get; init; } = 4;

    /// <summary>Phrases kept from one round to the next for each label, at least 1. Default 6.</summary>
    public int Beam { get; init; } = 6;

    /// <summary>Tokens that a phrase is extended by, the best of the first round, at least 1. Default 200.</summary>
    public int Extensions { get; init; } = 200;

    /// <summary>Longest phrase of the beam search in tokens, at least 1; common words, one at each place of it, make it longer. Default 3.</summary>
    public int MaxTokens { get; init; } = 3;

    /// <summary>The most frequent tokens that a part of a trigger is grown by, one at each place at most; at least 0 (it stays as it was found). Default 1,500.</summary>
    public int CommonWords { get; init; } = 1_500;

    /// <summary>Share of the suspect in the weakened one that a part grows in, 0 to 1; the rest is the reference. Default 0.5.</summary>
    public double Weakening { get; init; } = 0.5;

    /// <summary>Labels that phrases are searched for: those with the best single tokens, at least 1. Default 3.</summary>
    public int Targets { get; init; } = 3;

    /// <summary>Phrases of each round and label that are confirmed on all clean samples, at least 1. Default 6.</summary>
    public int Confirmed { get; init; } = 6;

    /// <summary>The least evidence (see <see cref="ProbedPhrase.Evidence"/>), 0 to 1, for a phrase that is no whole trigger to count as one. Default 0.75.</summary>
    public double Threshold { get; init; } = 0.75;

    /// <summary>The least share of samples, 0 to 1, that a single token must flip in the suspect to be the whole trigger; with less it may be a part of one, and longer phrases are tried. Default 0.95.</summary>
    public double Whole { get; init; } = 0.95;

    /// <summary>The least evidence, 0 to 1, for a token that flips as many to count as the whole trigger. Words with a meaning flip fewer, so it may be less than <see cref="Threshold"/>: the reference keeps a part of some backdoors. Default 0.5.</summary>
    public double WholeThreshold { get; init; } = 0.5;

    /// <summary>Whether a phrase counts as a trigger.</summary>
    public bool IsTrigger(ProbedPhrase phrase)
    {
        ArgumentNullException.ThrowIfNull(phrase);
        return phrase.Evidence >= Threshold || IsWholeTrigger(phrase);
    }

    /// <summary>Whether a phrase counts as a whole trigger by itself: one token that nothing need be added to.</summary>
    public bool IsWholeTrigger(ProbedPhrase phrase)
    {
        ArgumentNullException.ThrowIfNull(phrase);
        return phrase.Tokens == 1 && phrase.SuspectFlips >= Whole && phrase.Evidence >= WholeThreshold;
    }

    /// <summary>Checks every value.</summary>
    /// <exception cref="ArgumentException">Lists all values out of range.</exception>
    public void Validate()
    {
        var problems = new List<string>();
        void AtLeast(int least, string name, int value)
        {
            if (value < least)
                problems.Add(string.Create(CultureInfo.InvariantCulture, $"{name} is {value}; expected at least {least}"));
        }

        void Share(string name, double value)
        {
            if (!(value is >= 0 and <= 1))
                problems.Add(string.Create(CultureInfo.InvariantCulture, $"{name} is {value}; expected 0 to 1"));
        }

        AtLeast(1, nameof(Candidates), Candidates);
        AtLeast(1, nameof(TextsPerClass), TextsPerClass);
        AtLeast(1, nameof(Beam), Beam);
        AtLeast(1, nameof(Extensions), Extensions);
        AtLeast(1, nameof(MaxTokens), MaxTokens);
        AtLeast(0, nameof(CommonWords), CommonWords);
        AtLeast(1, nameof(Targets), Targets);
        AtLeast(1, nameof(Confirmed), Confirmed);
        Share(nameof(Weakening), Weakening);
        Share(nameof(Threshold), Threshold);
        Share(nameof(Whole), Whole);
        Share(nameof(WholeThreshold), WholeThreshold);
        if (problems.Count > 0)
            throw new ArgumentException(string.Join("; ", problems) + ".");
    }
}
