namespace FineMixing.Mixing.Mixers;

/// <summary>TIES: trims each model's small changes, elects a sign for each element, and averages the changes that agree with it.</summary>
/// <remarks>
/// Of each change w_i - w_Pre the floor(density * count) largest stay (density defaults to the reserve ratio); with weights a_i (default 1) the elected sign is that of sum a_i * change_i;
/// the result is w_Pre + lambda * (sum of the agreeing a_i * change_i) / (sum of their a_i), without the division when <see cref="MixerParameters.Normalize"/> is false.
/// </remarks>
public sealed class TiesMixer : ArithmeticMixer
{
    /// <summary>Takes <see cref="MixerParameters.Weights"/>, <see cref="MixerParameters.Densities"/>, <see cref="MixerParameters.Normalize"/> and <see cref="MixerParameters.Scale"/>.</summary>
    public TiesMixer(MixerParameters? parameters = null)
        : base("ties", "TIES", Citations.Ties, parameters)
    {
    }

    /// <inheritdoc/>
    public override MixerInputs Inputs { get; } = new(UsesBase: true, 0, 100);

    /// <inheritdoc/>
    public override bool NeedsWholeTensors => true;

    private protected override ArithmeticTensorMixer.Combine For(TensorMixContext context)
    {
        var merge = Merge(context);
        return (_, inputs, result) =>
        {
            var changes = Enumerable.Range(0, merge.Models).Select(inputs.Change).ToArray();
            for (var m = 0; m < merge.Models; m++)
                TaskVectors.Trim(changes[m], RandomMask.KeptCount(merge.Densities[m], changes[m].Length), 0);
            TaskVectors.Merge(inputs.Base.Span, changes, merge, result);
        };
    }

    /// <summary>Its parameters for a tensor.</summary>
    internal TaskVectorMerge Merge(TensorMixContext context) => TaskVectorMerge.Of(this, context, elect: true, normalize: true);
}
