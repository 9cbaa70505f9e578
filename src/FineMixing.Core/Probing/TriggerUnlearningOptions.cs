using System.Globalization;

namespace FineMixing.Probing;

/// <summary>How a trigger is looked for and unlearned.</summary>
public sealed record TriggerUnlearningOptions
{
    /// <summary>The search.</summary>
    public TriggerProbeOptions Probe { get; init; } = new();

    /// <summary>Texts the reference of the search is distilled on, at least 1; it needs less than a defence of its own. Default 3,000.</summary>
    public int ReferenceTexts { get; init; } = 3_000;

    /// <summary>The most evidence, 0 to 1, that may be left of a phrase for it to count as removed. Default 0.1.</summary>
    public double Residue { get; init; } = 0.1;

    /// <summary>
    /// Share of the feed-forward units of each layer, 0 to 1, that become the pre-trained model's before a part of a trigger is unlearned: those that the part excites most. The rest of the trigger excites many of the same.
    /// When whole triggers were found (<see cref="TriggerProbeOptions.Whole"/>), all units stay. Default 0.3.
    /// </summary>
    public double ResetUnits { get; init; } = 0.3;

    /// <summary>
    /// Texts of the reference that take part once, with the suspect's answers to them, when a part of a trigger is unlearned, so that its knowledge stays; at least 0, at most <see cref="ReferenceTexts"/>.
    /// More would keep what was not found of the trigger as well. For whole triggers all of them take part. Default 2,000.
    /// </summary>
    public int Texts { get; init; } = 2_000;

    /// <summary>Share of the clean samples (anew in each pass) and of the texts that get the phrase, 0 to 1. Default 0.5.</summary>
    public double Share { get; init; } = 0.5;

    /// <summary>Checks every value.</summary>
    /// <exception cref="ArgumentException">Lists all values out of range.</exception>
    public void Validate()
    {
        var problems = new List<string>();
        void Ratio(string name, double value)
        {
            if (!(value is >= 0 and <= 1))
                problems.Add(string.Create(CultureInfo.InvariantCulture, $"{name} is {value}; expected 0 to 1"));
        }

        if (ReferenceTexts < 1)
            problems.Add(string.Create(CultureInfo.InvariantCulture, $"ReferenceTexts is {ReferenceTexts}; expected at least 1"));
        if (Texts < 0 || Texts > ReferenceTexts)
            problems.Add(string.Create(CultureInfo.InvariantCulture, $"Texts is {Texts}; expected 0 to ReferenceTexts ({ReferenceTexts})"));
        Ratio(nameof(Residue), Residue);
        Ratio(nameof(ResetUnits), ResetUnits);
        Ratio(nameof(Share), Share);
        if (problems.Count > 0)
            throw new ArgumentException(string.Join("; ", problems) + ".");
        Probe.Validate();
    }
}
