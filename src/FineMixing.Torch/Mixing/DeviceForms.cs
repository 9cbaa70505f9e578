using FineMixing.Mixing;
using FineMixing.Mixing.Mixers;
using static TorchSharp.torch;

namespace FineMixing.Torch.Mixing;

/// <summary>Mixes one flat tensor on its device; the result is flat, in single precision or in the suspect's type.</summary>
internal delegate Tensor DeviceForm(TensorMixContext context, DeviceInputs inputs);

/// <summary>The mixers that run on a device.</summary>
internal static class DeviceForms
{
    /// <summary>The device form of a mixer; null when it has none.</summary>
    public static DeviceForm? For(IWeightMixer mixer) => mixer switch
    {
        FineMixingMixer => (context, inputs) => DeviceSelection.Random(context, context.Ratio, inputs),
        ImportanceMask m => (context, inputs) => DeviceSelection.Important(m, context, inputs),
        ChangeSizeMixer m => (context, inputs) => DeviceSelection.BySize(m, context, inputs),
        LinearMixer m => (context, inputs) => DeviceCombination.Linear(m, context, inputs),
        WagMixer => (_, inputs) => DeviceCombination.Average(inputs, [.. Enumerable.Repeat(1.0, inputs.ModelCount)], normalize: true),
        TaskArithmeticMixer m => (context, inputs) => DeviceCombination.TaskArithmetic(m, context, inputs),
        SlerpMixer m => (context, inputs) => DeviceCombination.Slerp(m, context, inputs),
        NuSlerpMixer m => (context, inputs) => DeviceCombination.NuSlerp(m, context, inputs),
        MultiSlerpMixer m => (context, inputs) => DeviceCombination.MultiSlerp(m, context, inputs),
        KarcherMixer => (_, inputs) => DeviceCombination.Karcher(inputs),
        ModelStockMixer m => (context, inputs) => DeviceCombination.ModelStock(m, context, inputs),
        NearSwapMixer m => (_, inputs) => DeviceCombination.NearSwap(m, inputs),
        TiesMixer m => (context, inputs) => DeviceTaskVectors.Ties(m, context, inputs),
        DareMixer m => (context, inputs) => DeviceTaskVectors.Dare(m, context, inputs),
        BreadcrumbsMixer m => (context, inputs) => DeviceTaskVectors.Breadcrumbs(m, context, inputs),
        SceMixer m => (context, inputs) => DeviceTaskVectors.Sce(m, context, inputs),
        _ => null,
    };
}
