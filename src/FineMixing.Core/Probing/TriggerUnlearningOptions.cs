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
    /// Share of the weights kept from the suspect, 0 to 1, before a part of a trigger is unlearned: mixing takes off much of the rest. Default 0.8.
    /// When whole triggers were found (<see cref="TriggerProbeOptions.Whole"/>), all weights are kept.
    /// </summary>
    public double ReserveRatio { get; init; } = 0.8;

    /// <summary>
    /// Texts of the reference that take part once, with the suspect's answers to them, when a part of a trigger is unlearned, so that its knowledge stays; at least 0, at most <see cref="ReferenceTexts"/>.
    /// More would keep what was not found of the trigger as well. For whole triggers all of them take part. Default 1,000.
    /// </summary>
    public int Texts { get; init; } = 1_000;

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
        Ratio(nameof(ReserveRatio), ReserveRatio);
        Ratio(nameof(Share), Share);
        if (problems.Count > 0)
            throw new ArgumentException(string.Join("; ", problems) + ".");
        Probe.Validate();
    }
}
