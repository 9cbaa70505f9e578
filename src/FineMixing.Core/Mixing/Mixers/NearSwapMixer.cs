namespace FineMixing.Mixing.Mixers;

/// <summary>NearSwap: takes the suspect's values where they are near the base's, and moves the others by no more than t.</summary>
/// <remarks>w = clamp(t / max(|w_B - w_Pre|, 1e-6), 0, 1); result w * w_B + (1 - w) * w_Pre. t is <see cref="MixerParameters.Interpolation"/>, default 0.001.</remarks>
public sealed class NearSwapMixer : ArithmeticMixer
{
    private readonly double _t;

    /// <summary>Takes <see cref="MixerParameters.Interpolation"/> (0 or more).</summary>
    public NearSwapMixer(MixerParameters? parameters = null)
        : base("nearswap", "NearSwap", "alchemonaut: QuartetAnemoi-70B-t0.0001 (model card, 2024)", parameters) => _t = parameters?.Interpolation ?? 0.001;

    /// <inheritdoc/>
    public override MixerInputs Inputs { get; } = new(UsesBase: true, 0, 0);

    /// <inheritdoc/>
    public override bool NeedsWholeTensors => false;

    /// <inheritdoc/>
    public override bool UsesReserveRatio => false;

    private protected override ArithmeticTensorMixer.Combine For(TensorMixContext context)
    {
        var distance = Distance();
        return (_, inputs, result) =>
        {
            var (suspect, @base) = (inputs.Suspect, inputs.Base);
            for (var i = 0; i < result.Length; i++)
            {
                var (x, y) = (suspect.Span[i], @base.Span[i]);
                var weight = Math.Clamp(distance / Math.Max(Math.Abs(y - x), 1e-6f), 0, 1);
                result[i] = (weight * x) + ((1 - weight) * y);
            }
        };
    }

    /// <summary>The distance t.</summary>
    internal float Distance() => _t >= 0 && double.IsFinite(_t)
        ? (float)_t
        : throw new ArgumentException($"{Name}: the distance t must be a finite number from 0, not {MixerParameters.Invariant(_t)}.");
}
